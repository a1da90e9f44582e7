"""Redis as the merge worker writes to it: epochs by the pointer, the fenced script, and positions beside the data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.errors import StoreError
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.merge_store import MergeCounts, MergeStore
from lambda_core.repositories.store import answering, shard_slots
from lambda_core.views.pointer import Pointer, Published
from speed_layer.connection import process_id
from speed_layer.merging.handling import Target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import redis

    from lambda_core.features.definition import Definition
    from lambda_core.schemas.messages import Update
    from speed_layer.positions import Positions

    Definitions = Callable[[redis.Redis, str], Definition | None]


class RedisTarget:
    """The speed view in Redis.

    Positions are kept per epoch: a new epoch has none, and so is filled from the begin of the log.

    Args:
        connect: returns a connection that stays broken once it broke. positions: of the updates topic.
        definition_of: the definition of an id, as it was published; None when it is of other settings than this process's.
    """

    def __init__(self, connect: Callable[[], redis.Redis], positions: Positions, definition_of: Definitions) -> None:
        self._connect = connect
        self._positions = positions
        self._definition_of = definition_of
        self._client: redis.Redis | None = None
        self._process = ""
        self._looked: tuple[bytes | None, bytes | None, frozenset[bytes]] | None = None
        self._targets: tuple[Target, ...] = ()
        self._definitions: dict[str, Definition] = {}
        self._stores: dict[str, MergeStore] = {}

    @property
    def process(self) -> str:
        """Return the id of the server's process that this is connected to."""
        return self._process

    def open(self) -> None:
        """Connect anew, and make sure that the topic is the one whose positions are kept here."""
        if self._client is not None:
            self._client.close()
        self._client = self._connect()
        self._stores = {}
        self._process = process_id(self._client)
        self._positions.check_topic(self._client)

    def targets(self) -> tuple[Target, ...]:
        """Return the epochs of this process's definition that are published and held in full, the current view's first.

        An epoch of another definition is another worker's: each knows only its own settings.
        """
        looked = self._look()
        if looked != self._looked:
            self._targets, self._looked = self._targets_of(*looked), looked
        return self._targets

    def positions(self, epochs: Sequence[str]) -> dict[int, int]:
        """Return the next offset of each partition: the oldest of these epochs'."""
        found = [self._positions.read(self._redis, epoch) for epoch in epochs]
        return {partition: min(positions[partition] for positions in found) for partition in found[0]}

    def apply(self, target: Target, parts: Mapping[int, Sequence[Update]]) -> dict[int, MergeCounts]:
        """Apply each partition's updates in the order of the log, in one round trip; return each one's counts."""
        own = target.definition
        if own.id not in self._stores:
            self._stores[own.id] = MergeStore(self._redis, self._positions.keys, own)
        return self._stores[own.id].apply_parts(target.epoch, parts, target.first_period, target.views)

    def keep(self, epochs: Sequence[str], positions: Mapping[int, int]) -> None:
        """Keep the next offsets, for each epoch."""
        for epoch in epochs:
            self._positions.keep(self._redis, epoch, positions)

    def ends(self) -> dict[int, int]:
        """Return where the log ends now, for each partition that this worker reads."""
        return self._positions.ends()

    def caught_up(self, epochs: Sequence[str], partitions: Sequence[int]) -> None:
        """Note it over this connection, which ends with the process of Redis that it is true of."""
        for epoch in epochs:
            CaughtUp(self._redis, self._positions.keys).note(epoch, partitions)

    @property
    def _redis(self) -> redis.Redis:
        if self._client is None:
            raise StoreError("Redis: expected an open connection, found none; open() comes first")
        return self._client

    def _definition(self, definition_id: str) -> Definition | None:
        if definition_id in self._definitions:
            return self._definitions[definition_id]
        found = self._definition_of(self._redis, definition_id)
        if found is not None:
            self._definitions[definition_id] = found
        return found

    def _look(self) -> tuple[bytes | None, bytes | None, frozenset[bytes]]:
        """Return the view that is coming, the pointer and the epochs held, in one round trip.

        The coming view is asked for before the pointer: one that is flipped to in between is named by either.
        """
        keys = self._positions.keys
        marks = [keys.mark if slot is None else keys.mark_in(slot) for slot in shard_slots(self._redis)]
        with answering(self._redis), self._redis.pipeline(transaction=False) as pipeline:
            pipeline.get(keys.coming)
            pipeline.get(keys.pointer)
            for mark in marks:
                pipeline.smembers(mark)
            coming, pointer, *held = pipeline.execute()
        return coming, pointer, frozenset.intersection(*map(frozenset, held))

    def _targets_of(self, coming: bytes | None, found: bytes | None, held: frozenset[bytes]) -> tuple[Target, ...]:
        """Return the epochs to write: the newest of each definition that is published, and one that is to be filled."""
        named = Pointer.decode(found).views if found else ()
        views = (*named, *([Published.decode(coming)] if coming else []))
        first_period = min((view.horizon for view in views), default=0)
        targets: dict[str, Target] = {}
        for one in views:
            definition = self._definition(one.definition_id)
            is_older = one in named and any(target.definition is definition for target in targets.values())
            if definition is not None and not is_older and one.epoch.encode() in held:
                targets.setdefault(one.epoch, Target(definition, one.epoch, first_period, views))
        return tuple(targets.values())
