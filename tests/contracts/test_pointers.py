"""The pointer to the published views: what is in memory, for unit tests, behaves as Redis does."""

import pytest
import redis

from lambda_core.errors import PointerMovedError, StoreError
from lambda_core.repositories.pointers import MemoryPointers, PointerRepository
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Pointer, Published

FIRST = Pointer(Published("g1", 10, "abc.0", {"orders": 3}, 0))
SECOND = Pointer(Published("g2", 20, "abc.0", {"orders": 4}, 0), FIRST.current)


@pytest.fixture(params=["redis", "memory"])
def pointers(request, client, keys):
    return PointerRepository(client, keys) if request.param == "redis" else MemoryPointers()


def test_nothing_is_current_before_the_first_flip(pointers):
    assert pointers.get() is None


def test_a_flip_from_what_was_read_is_made(pointers):
    pointers.flip(None, FIRST)
    pointers.flip(FIRST.encode(), SECOND)

    assert pointers.get() == SECOND


@pytest.mark.parametrize("stale", [None, SECOND.encode()])
def test_a_flip_from_something_else_is_refused_and_changes_nothing(pointers, stale):
    pointers.flip(None, FIRST)

    with pytest.raises(PointerMovedError, match="nothing was flipped"):
        pointers.flip(stale, SECOND)
    assert pointers.get() == FIRST


def test_a_store_that_is_away_says_what_to_do():
    away = PointerRepository(redis.Redis(port=1, retry=None), Keyspace("pointers_test"))

    with pytest.raises(StoreError, match="start Redis"):
        away.get()
