"""Contracts draw the same examples in every run, like laws; a Redis client of its own and names of its own for each test."""

from collections.abc import Iterator
from itertools import count

import pytest
import redis

import tests.laws.profiles  # noqa: F401 - loads the profile
from lambda_core.views.keyspace import Keyspace

_NUMBERS = count()


@pytest.fixture
def client(store) -> Iterator[redis.Redis]:
    """A client of the real server."""
    connected = redis.Redis.from_url(store.url)
    yield connected
    connected.close()


def new_keys() -> Keyspace:
    """Names that nothing else in this run uses."""
    return Keyspace(f"contract{next(_NUMBERS)}")


@pytest.fixture
def keys() -> Keyspace:
    return new_keys()
