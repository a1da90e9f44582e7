"""The pointer to what is current: read, and flipped by one compare-and-set. Redis, and an honest fake."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from redis.exceptions import RedisError

from lambda_core.errors import PointerMovedError, StoreError
from lambda_core.views.pointer import Pointer

if TYPE_CHECKING:
    import redis

    from lambda_core.views.keyspace import Keyspace

_COMPARE_AND_SET = """
local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
return 1
"""


class Pointers(Protocol):
    """The one pointer of a project."""

    def get(self) -> Pointer | None:
        """Return what is current; None when nothing was ever published."""
        ...

    def flip(self, expected: bytes | None, new: Pointer) -> None:
        """Make `new` current if the pointer is still `expected` (its encoding; None: there is none).

        Raises:
            PointerMovedError: when somebody else moved it in between; nothing is changed then.
        """
        ...


class PointerRepository:
    """The pointer in Redis: one key, compared and set inside one script."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._key = keys.pointer

    def get(self) -> Pointer | None:
        """Return what is current; None when nothing was ever published.

        Raises:
            StoreError: when Redis cannot be reached.
        """
        try:
            found = self._client.get(self._key)
        except RedisError as error:
            raise StoreError(f"pointer {self._key}: cannot be read: {error}; start Redis or correct its URL") from error
        return None if found is None else Pointer.decode(found)  # type: ignore[arg-type]

    def flip(self, expected: bytes | None, new: Pointer) -> None:
        """Make `new` current if the pointer is still `expected` (its encoding; None: there is none).

        Raises:
            PointerMovedError: when somebody else moved it in between; nothing is changed then.
            StoreError: when Redis cannot be reached; the flip may or may not have happened.
        """
        try:
            flipped = self._client.eval(_COMPARE_AND_SET, 1, self._key, expected or b"", new.encode())
        except RedisError as error:
            raise StoreError(
                f"pointer {self._key}: the flip had no answer: {error}; read it before going on"
            ) from error
        if not flipped:
            raise _moved(self._key, expected)


class MemoryPointers:
    """The pointer in memory; for tests."""

    def __init__(self) -> None:
        self._bytes: bytes | None = None

    def get(self) -> Pointer | None:
        """Return what is current; None when nothing was ever published."""
        return None if self._bytes is None else Pointer.decode(self._bytes)

    def flip(self, expected: bytes | None, new: Pointer) -> None:
        """Make `new` current if the pointer is still `expected`.

        Raises:
            PointerMovedError: when somebody else moved it in between.
        """
        if self._bytes != expected:
            raise _moved("in memory", expected)
        self._bytes = new.encode()


def _moved(key: str, expected: bytes | None) -> PointerMovedError:
    was = "none" if expected is None else Pointer.decode(expected).current.generation
    return PointerMovedError(
        f"pointer {key}: expected the generation {was} to be current, found another; nothing was flipped, run it again"
    )
