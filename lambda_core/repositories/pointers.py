"""The pointer to what is current: read, and flipped by one compare-and-set."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from redis.exceptions import RedisClusterException, RedisError

from lambda_core.errors import PointerMovedError, StoreError
from lambda_core.repositories.marks import LOADING_SECONDS, emptied, marks_of
from lambda_core.repositories.store import answering
from lambda_core.views.pointer import Pointer, Published

if TYPE_CHECKING:
    import redis

    from lambda_core.views.keyspace import Keyspace

_COMPARE_AND_SET = """
if KEYS[3] and redis.call('GET', KEYS[3]) ~= 'written' then return -1 end
if KEYS[2] and redis.call('GET', KEYS[2]) ~= ARGV[3] then return -2 end
local found = redis.call('GET', KEYS[1])
if (found or '') ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2])
for key = 2, #KEYS do redis.call('DEL', KEYS[key]) end
return 1
"""


class PointerRepository:
    """The pointer in Redis: one key, compared and set inside one script."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys
        self._marks = marks_of(client, keys)
        self._key = keys.pointer

    def get(self) -> Pointer | None:
        """Return what is current; None when nothing was ever published.

        Raises:
            StoreError: when Redis cannot be reached.
        """
        try:
            found = self._client.get(self._key)
        except (RedisError, RedisClusterException) as error:
            raise StoreError(f"pointer {self._key}: cannot be read: {error}; start Redis or correct its URL") from error
        return None if found is None else Pointer.decode(found)  # type: ignore[arg-type]

    def begin(self, generation: str) -> None:
        """Note that a generation is being loaded, before anything of it is written."""
        self._marks.begin(generation)

    def written(self, generation: str) -> None:
        """Note that all of a generation was written; only then is it read back.

        A Redis that was emptied has no note, and one that went back in time by less has an older one: what was read back
        may be gone then. Whoever flips to the generation hears of it.

        Raises:
            StoreError: when there is no note that it began.
        """
        self._marks.written(generation)

    def announce(self, new: Published) -> None:
        """Say which view is about to be flipped to: from now on, what appears before its horizon is noted as late."""
        with answering(self._client):
            self._client.set(self._keys.coming, new.encode(), ex=LOADING_SECONDS)

    def coming(self) -> Published | None:
        """Return the view that was announced and not flipped to yet. Asked for before the pointer, either names it."""
        with answering(self._client):
            found = cast("bytes | None", self._client.get(self._keys.coming))
        return None if found is None else Published.decode(found)

    def flip(self, expected: bytes | None, new: Pointer, *, loaded: bool = False) -> None:
        """Make `new` current if the pointer is still `expected`.

        Args:
            expected: the pointer's encoding as it was read; None: there was none.
            new: names the view that is to answer, and the one before it.
            loaded: the new view was loaded and announced for this flip, and has to be noted as written.

        Raises:
            PointerMovedError: when somebody else moved it, or announced another, in between; nothing is changed then.
            StoreError: when Redis cannot be reached (the flip may or may not have happened), or what was loaded is not
                all there any more (nothing is changed).
        """
        generation = new.current.generation
        keys = [self._key, *([self._keys.coming, *self._marks.noted(generation)] if loaded else [])]
        values = [expected or b"", new.encode(), *([new.current.encode()] if loaded else [])]
        try:
            flipped = self._client.eval(_COMPARE_AND_SET, len(keys), *keys, *values)
        except (RedisError, RedisClusterException) as error:
            raise StoreError(
                f"pointer {self._key}: the flip had no answer: {error}; read it before going on"
            ) from error
        if flipped == -1:
            raise emptied(generation)
        if flipped == -2:
            raise PointerMovedError(
                f"generation {generation}: expected it to be the one that is announced in {self._keys.coming}, found "
                "another; nothing was flipped, run it again"
            )
        if not flipped:
            raise _moved(self._key, expected)


def _moved(key: str, expected: bytes | None) -> PointerMovedError:
    was = "none" if expected is None else Pointer.decode(expected).current.generation
    return PointerMovedError(
        f"pointer {key}: expected the generation {was} to be current, found another; nothing was flipped, run it again"
    )
