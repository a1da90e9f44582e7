"""The pointer to the published views, in Redis."""

import pytest
import redis

from lambda_core.errors import PointerMovedError, StoreError
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Pointer, Published

FIRST = Pointer(Published("g1", 10, "abc.0", {"orders": 3}, 0, {"orders": {0: 7, 11: 9}}))
SECOND = Pointer(Published("g2", 20, "abc.0", {"orders": 4}, 0), FIRST.current)


@pytest.fixture
def pointers(client, keys):
    return PointerRepository(client, keys)


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


def test_a_view_that_was_loaded_is_flipped_to_once(pointers, client, keys):
    pointers.begin("g1")
    with pytest.raises(StoreError, match="nothing was flipped"):
        pointers.flip(None, FIRST, loaded=True)  # as in a Redis that lost its last second
    pointers.written("g1")
    pointers.announce(FIRST.current)
    assert pointers.coming() == FIRST.current

    pointers.flip(None, FIRST, loaded=True)

    assert pointers.get() == FIRST
    assert client.get(keys.loading("g1")) is None
    assert pointers.coming() is None


@pytest.mark.parametrize("announced", [None, SECOND.current])
def test_a_view_that_is_not_the_one_announced_is_not_flipped_to(pointers, announced):
    pointers.begin("g1")
    pointers.written("g1")
    if announced is not None:
        pointers.announce(announced)

    with pytest.raises(PointerMovedError, match="announced"):
        pointers.flip(None, FIRST, loaded=True)
    assert pointers.get() is None


def test_a_redis_that_was_emptied_while_it_was_loaded_is_not_flipped_to(pointers, client, keys):
    pointers.begin("g1")
    client.delete(keys.loading("g1"))
    with pytest.raises(StoreError, match="publish again"):
        pointers.written("g1")

    pointers.begin("g1")
    pointers.written("g1")
    client.delete(keys.loading("g1"))
    with pytest.raises(StoreError, match="publish again"):
        pointers.flip(None, FIRST, loaded=True)
    assert pointers.get() is None


def test_a_store_that_is_away_says_what_to_do():
    away = PointerRepository(redis.Redis(port=1, retry=None), Keyspace("pointers_test"))

    with pytest.raises(StoreError, match="start Redis"):
        away.get()
