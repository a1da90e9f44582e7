"""Where a worker goes on: next offsets kept in Redis beside the data, and the topic that they are offsets of.

Over a cluster they are kept on every shard, for the data written there, and the oldest of all shards counts: a shard that
went back in time took its own ones with it, and one that has none, because it is new or was emptied, has no data.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from lambda_core.errors import PositionError, StoreError
from lambda_core.repositories.store import address, answering, shard_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import redis

    from lambda_core.repositories.log import Topics
    from lambda_core.views.keyspace import Keyspace


def all_partitions() -> None:
    """Return what stands for every partition of a topic."""


@dataclass(frozen=True)
class Positions:
    """Next offsets of one topic.

    Attributes:
        partitions: tells which ones this worker reads at this moment; None for all.
    """

    keys: Keyspace
    topics: Topics
    topic: str
    partitions: Callable[[], Sequence[int] | None] = all_partitions

    def check_topic(self, client: redis.Redis) -> None:
        """Remember the topic's id at the first call.

        Raises:
            PositionError: when it is another one later: offsets of one topic mean nothing in another.
        """
        found = self.topics.ids([self.topic]).get(self.topic)
        if found is None:
            raise PositionError(f"topic {self.topic}: expected it to exist, found none; start the speed query first")
        key = f"{self.keys.worker(self.topic, 0).rpartition(':')[0]}:id"
        with answering(client):
            client.set(key, found, nx=True)
            kept = (cast("bytes | None", client.get(key)) or b"").decode()
        if not kept:
            raise StoreError(f"Redis at {address(client)}: {key} was set and is gone: it was emptied at this moment")
        if kept != found:
            raise PositionError(
                f"topic {self.topic}: expected id {kept}, whose offsets are kept in Redis at {address(client)}, found "
                f"{found}: it was made again; rebuild the speed view under a new epoch, then delete the key {key}"
            )

    def read(self, client: redis.Redis, scope: str) -> dict[int, int]:
        """Return the next offset of each partition: as kept under this scope, else the log's begin.

        Raises:
            PositionError: when a kept one lies outside the log.
        """
        begins = self.topics.begins(self.topic)
        named = self.partitions()
        own = sorted(begins) if named is None else list(named)
        found = self.kept(client, scope, own)
        ends = self.topics.ends(self.topic)  # asked after what is kept: another worker may have gone on in between
        return start_positions(self.topic, found, {p: begins[p] for p in own if p in begins}, ends)

    def ends(self) -> dict[int, int]:
        """Return where the log ends now: the next offset of each partition that this worker reads."""
        ends, named = self.topics.ends(self.topic), self.partitions()
        return {partition: end for partition, end in ends.items() if named is None or partition in named}

    def kept(self, client: redis.Redis, scope: str, partitions: Sequence[int]) -> dict[int, int]:
        """Return the next offsets that are kept under this scope, of those partitions that every shard has one of."""
        slots = shard_slots(client)
        keys = [self._key(scope, partition, slot) for slot in slots for partition in partitions]
        with answering(client):
            kept = cast("list[bytes | None]", client.mget(keys)) if keys else []
        width = len(partitions) or 1
        return _oldest(partitions, [kept[place : place + width] for place in range(0, len(kept), width)])

    def keep(self, client: redis.Redis, scope: str, positions: Mapping[int, int]) -> None:
        """Keep next offsets under a scope; over a cluster, on every shard."""
        slots = shard_slots(client)
        with answering(client):
            client.mset({self._key(scope, p, slot): offset for slot in slots for p, offset in positions.items()})

    def _key(self, scope: str, partition: int, slot: int | None = None) -> str:
        return self.keys.worker(f"{self.topic}@{scope}", partition, slot)


def _oldest(partitions: Sequence[int], shards: Sequence[Sequence[bytes | None]]) -> dict[int, int]:
    """Return the oldest position of each partition, of those that every shard has one of."""
    found: dict[int, int] = {}
    for partition, *kept in zip(partitions, *shards, strict=True):
        offsets = [int(offset) for offset in kept if offset is not None]
        if len(offsets) == len(kept):
            found[partition] = min(offsets)
    return found


def start_positions(
    topic: str, kept: Mapping[int, int], begins: Mapping[int, int], ends: Mapping[int, int]
) -> dict[int, int]:
    """Return where each partition goes on: where it was kept, else at the first record of the log; never at its end.

    Raises:
        PositionError: when a kept position lies before the log's begin or past its end.
    """
    positions = {}
    for partition, begin in begins.items():
        position = kept.get(partition, begin)
        if not begin <= position <= ends[partition]:
            raise PositionError(
                f"topic {topic}, partition {partition}: expected the kept position {position} between the log's begin "
                f"{begin} and end {ends[partition]}; its records are gone, or the log lost some: rebuild the speed view "
                "from the raw tables under a new epoch"
            )
        positions[partition] = position
    return positions
