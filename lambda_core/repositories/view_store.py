"""The reading side of Redis: what is current, its epoch mark, and both views of every entity asked for, in one step."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, cast

import redis

from lambda_core.errors import EpochError, StoreError
from lambda_core.repositories.batch_cache import BatchCache
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.cluster import as_cluster
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.store import Script, address, answering, refused
from lambda_core.views.packing import BatchValue, unpack
from lambda_core.views.pointer import Pointer, Published
from lambda_core.views.reading import EntityReader
from lambda_core.views.script import READ
from lambda_core.views.speed import SpeedHash

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.definition import FeatureGroup
    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.pointer import Published

__all__ = ["BatchCache", "EntityViews", "ViewStore", "ViewsRead", "Wanted"]

MAX_READS = 5
"""How often a read is repeated when the pointer moves under it."""
AT_ONCE = 50
"""So many entities are read in one step: Redis answers nobody else meanwhile, and each may have many periods."""

Wanted = tuple[str, str]
"""A feature group and the canonical key of an entity."""


@dataclass(frozen=True)
class EntityViews:
    """Both views of one (feature group, entity): its batch value, and its periods from the horizon on, ascending.

    Attributes:
        late: records that appeared before some horizon: (partition, period) -> greatest offset.
    """

    view: Published
    batch: BatchValue | None
    speed: list[SpeedHash]
    late: dict[tuple[int, int], int] = field(default_factory=dict)
    _readers: list[EntityReader] = field(default_factory=list, repr=False, compare=False)

    def reader(self, group: FeatureGroup, entity: str) -> EntityReader:
        """Return what reads these views at any t; the same one for everybody who asks."""
        if not self._readers:
            late = any(
                self.view.misses(group.source, partition, offset, period)
                for (partition, period), offset in self.late.items()
            )
            self._readers.append(EntityReader(group, entity, self.batch, self.speed, late=late))
        return self._readers[0]


@dataclass(frozen=True)
class ViewsRead:
    """What one read found, all of it under the pointer that was current at that moment."""

    pointer: Pointer
    entities: dict[Wanted, EntityViews]


class ViewStore:
    """Reads both views. Safe to share between threads."""

    def __init__(self, client: redis.Redis, keys: Keyspace, cache: BatchCache | None = None) -> None:
        self._client = client
        self._keys = keys
        self._cache = cache or BatchCache()
        self._script = Script(client, READ)  # given to the server when it says that it does not know it
        self._caught_up = CaughtUp(client, keys)
        self._current: tuple[bytes, Pointer] | None = None

    @property
    def known_pointer(self) -> Pointer | None:
        """Return the pointer that the last read found, without asking Redis."""
        return self._current[1] if self._current else None

    def pointer(self) -> Pointer:
        """Return what is current now.

        Raises:
            StoreError: when nothing was published, or Redis is away.
        """
        with answering(self._client):
            found = cast("bytes | None", self._client.get(self._keys.pointer))
        return self._see(found)

    def is_held(self, published: Published) -> bool:
        """Tell whether this Redis, and each of its shards, holds a published view in full."""
        return marks_of(self._client, self._keys).holds(published.epoch, published.generation)

    def refusals(self, published: Published) -> list[str]:
        """Return why nothing would be merged from a published view now, in the words of the errors that a read raises."""
        lost = [] if self.is_held(published) else [self._lost(published.epoch)]
        behind = [] if self._caught_up.holds(published.epoch) else [self._caught_up.behind(published.epoch)]
        return list(map(str, [*lost, *behind]))

    def read(self, wanted: Sequence[Wanted]) -> ViewsRead:
        """Return both views of every entity asked for, all under one pointer.

        One Redis is asked for up to `AT_ONCE` of them in one atomic round trip. Over a cluster every entity is read in one
        atomic step, from all shards at the same time, and then the pointer. It begins again if the pointer moved.

        Raises:
            EpochError: when Redis lacks the mark of the epoch: what it holds is not all there was.
            BehindError: when Redis was started again, and the workers have not caught up with the log since then.
            StoreError: when nothing was published, Redis is away, or the pointer would not stand still.
        """
        pointer = self._current[1] if self._current else self.pointer()
        for _ in range(MAX_READS):
            known = {one for one in wanted if self._cache.has(self._batch_key(one, pointer))}
            found, marked, caught_up, *replies = self._ask(pointer, wanted, known)
            before, pointer = pointer, self._see(found)
            refusals = [reply for reply in (caught_up, *replies) if isinstance(reply, redis.ResponseError)]
            if pointer.current != before.current or refusals:
                self._raise_unless_unknown_script(refusals)
                continue
            if not marked:
                raise self._lost(pointer.current.epoch)
            if not caught_up:
                raise self._caught_up.behind(pointer.current.epoch)
            try:
                views = [self._views(one, pointer, reply) for one, reply in zip(wanted, replies, strict=True)]
            except KeyError:
                continue  # dropped from the cache between question and answer
            return ViewsRead(pointer, dict(zip(wanted, views, strict=True)))
        raise StoreError(
            f"Redis at {address(self._client)}: the pointer moved during each of {MAX_READS} reads; ask again"
        )

    def read_batch(self, wanted: Sequence[Wanted]) -> ViewsRead:
        """Return the batch side alone: from what this process knows, else from Redis.

        Raises:
            StoreError: when something is not known here and Redis is away, or nothing was published.
        """
        known = self.known_batch(wanted)
        if known is not None:
            return known
        pointer = self.pointer()
        packed: list[bytes | None] = []
        if wanted:
            with answering(self._client):
                packed = cast("list[bytes | None]", self._client.mget([self._batch_key(o, pointer) for o in wanted]))
            if as_cluster(self._client) and not self.is_held(pointer.current):
                raise self._lost(pointer.current.epoch)  # a missing value may be lost, while the pointer is still there
        views = {
            one: EntityViews(pointer.current, unpack(value) if value else None, [])
            for one, value in zip(wanted, packed, strict=True)
        }
        return ViewsRead(pointer, views)

    def known_batch(self, wanted: Sequence[Wanted]) -> ViewsRead | None:
        """Return the batch side if this process knows all of it, without asking Redis."""
        pointer = self.known_pointer
        if pointer is None:
            return None
        try:
            views = {
                one: EntityViews(pointer.current, self._cache.get(self._batch_key(one, pointer)), []) for one in wanted
            }
        except KeyError:
            return None
        return ViewsRead(pointer, views)

    def _ask(self, pointer: Pointer, wanted: Sequence[Wanted], known: set[Wanted]) -> list[Any]:
        if as_cluster(self._client):
            return self._ask_shards(pointer, wanted, known)
        # The pointer of the last step counts: if it did not move, nothing that it names was let go before the others.
        parts = [wanted[first : first + AT_ONCE] for first in range(0, max(1, len(wanted)), AT_ONCE)]
        pointers, marks, caught_up, replies = zip(
            *(self._ask_at_once(pointer, part, known) for part in parts), strict=True
        )
        broken = [reply for reply in caught_up if isinstance(reply, redis.ResponseError)]
        return [pointers[-1], all(marks), broken[0] if broken else all(caught_up), *chain.from_iterable(replies)]

    def _ask_at_once(
        self, pointer: Pointer, wanted: Sequence[Wanted], known: set[Wanted]
    ) -> tuple[bytes | None, int, Any, list[Any]]:
        """Return the pointer, whether the epoch is marked and caught up, and a reply an entity, of one moment."""
        with answering(self._client), self._client.pipeline(transaction=True) as pipeline:
            pipeline.get(self._keys.pointer)
            pipeline.sismember(self._keys.mark, pointer.current.epoch)
            self._caught_up.ask(pipeline, pointer.current.epoch)
            for one in wanted:
                self._ask_for(pipeline, pointer, one, is_known=one in known)
            found, marked, caught_up, *replies = pipeline.execute(raise_on_error=False)
        return found, marked, caught_up, replies

    def _ask_shards(self, pointer: Pointer, wanted: Sequence[Wanted], known: set[Wanted]) -> list[Any]:
        """Ask a cluster, which has no transaction over several entities. The order is the guarantee.

        1. Each entity's views, in one atomic step.
        2. Over the same connection its slot's mark: what is marked now was not lost before. A mark is set once, before
           anything names it, so it cannot have been set again in between. Over it, too, whether the shard has caught up.
        3. The pointer, when all replies are there: if it did not move, nothing that it names was let go before them.
        """
        named = [pointer.current.epoch, pointer.current.generation]
        client: Any = self._client
        with answering(client), client.pipeline(transaction=False) as pipeline:
            for one in wanted:
                self._ask_for(pipeline, pointer, one, is_known=one in known)
                pipeline.smismember(self._keys.mark_of(*one), named)
            shards = self._caught_up.ask(pipeline, pointer.current.epoch)
            replies = pipeline.execute(raise_on_error=False)
            found = client.get(self._keys.pointer)
        views, caught_up = replies[:-shards], replies[-shards:]
        marks = views[1::2]
        broken = [reply for reply in (*marks, *caught_up) if isinstance(reply, redis.ResponseError)]
        marked = all(all(mark) for mark in marks if mark not in broken)
        return [found, marked, all(caught_up), *views[::2], *broken]

    def _ask_for(self, pipeline: Any, pointer: Pointer, one: Wanted, *, is_known: bool) -> None:
        epoch, horizon = pointer.current.epoch, pointer.current.horizon
        # An entity's index and speed hashes share the hash tag of its batch value.
        batch, periods = self._batch_key(one, pointer), self._keys.periods(*one, epoch)
        late, prefix = self._keys.late(*one, epoch), self._keys.speed_prefix(*one, epoch)
        pipeline.evalsha(self._script.sha, 3, batch, periods, late, prefix, horizon, "known" if is_known else "")

    def _views(self, one: Wanted, pointer: Pointer, reply: list[Any]) -> EntityViews:
        key, packed = self._batch_key(one, pointer), reply[0]
        if packed == b"known":
            batch = self._cache.get(key)
        else:
            batch = unpack(packed) if packed else None
            self._cache.keep(key, batch)
        late = {_place(name): int(offset) for name, offset in _fields(reply[1]).items()}
        return EntityViews(pointer.current, batch, [SpeedHash.decode(_fields(flat)) for _, flat in reply[2:]], late)

    def _batch_key(self, one: Wanted, pointer: Pointer) -> str:
        return self._keys.batch(*one, pointer.current.generation)

    def _see(self, found: bytes | None) -> Pointer:
        if found is None:
            self._current = None
            raise EpochError(
                f"Redis at {address(self._client)}: expected the pointer {self._keys.pointer}, found none: nothing was "
                "published there, or it was emptied; run: mainstem batch run publishing"
            )
        if self._current is None or self._current[0] != found:
            self._current = (found, Pointer.decode(found))
        return self._current[1]

    def _raise_unless_unknown_script(self, refusals: list[redis.ResponseError]) -> None:
        if any(isinstance(refusal, redis.exceptions.NoScriptError) for refusal in refusals):
            self._script.load()
            self._caught_up.load()
        elif refusals:
            raise refused(self._client, refusals[0])

    def _lost(self, epoch: str) -> EpochError:
        return EpochError(
            f"Redis at {address(self._client)} lacks the mark of epoch {epoch}: it was emptied or went back in time; "
            "publish the batch view again and rebuild the speed view"
        )


def _fields(flat: list[bytes]) -> dict[bytes, bytes]:
    return dict(zip(flat[::2], flat[1::2], strict=True))


def _place(name: bytes) -> tuple[int, int]:
    partition, _, period = name.partition(b":")
    return int(partition), int(period)
