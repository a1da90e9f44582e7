"""How many records of each source partition were quarantined, each counted once however often the query said so.

All messages of a source lie on one partition of the quarantine topic (their key is its name), and after a restart the query
says again what it said since its checkpoint, in the same order: so a record counts if its offset is greater than the last
one counted of its partition. The same rule as the merge's fence, and exact for the same reason.
"""

from __future__ import annotations

from contextlib import closing
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from lambda_core.repositories.log import consumer, kafka_errors
from lambda_core.schemas.messages import Quarantined

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lambda_core.repositories.log import Topics

_BATCH, _WAIT_S = 5_000, 0.2
_DECODER = msgspec.json.Decoder(Quarantined)


class Counted(msgspec.Struct, frozen=True):
    """The quarantined records of one source partition, and the offset of the last of them."""

    records: int
    last_offset: int


class Tally(msgspec.Struct, frozen=True):
    """Counts up to a position of the quarantine topic.

    Attributes:
        positions: partition of the quarantine topic -> next offset to count.
        counted: source -> partition -> its quarantined records.
        unreadable: messages that are none of ours.
        whole: whether everything was counted that was there when it was looked at.
    """

    positions: dict[int, int] = {}
    counted: dict[str, dict[int, Counted]] = {}
    unreadable: int = 0
    whole: bool = True

    def of(self, source: str, partition: int) -> int:
        """Return how many records of a source partition were quarantined."""
        found = self.counted.get(source, {}).get(partition)
        return found.records if found else 0


def add(tally: Tally, messages: Iterable[tuple[int, int, bytes]]) -> Tally:
    """Return the tally with messages counted: partition, offset and value of each, in the order of their partition."""
    positions, unreadable = dict(tally.positions), tally.unreadable
    counted = {source: dict(partitions) for source, partitions in tally.counted.items()}
    for partition, offset, value in messages:
        positions[partition] = offset + 1
        try:
            one = _DECODER.decode(value)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            unreadable += 1
            continue
        own = counted.setdefault(one.source, {})
        before = own.get(one.partition, Counted(0, -1))
        if one.offset > before.last_offset:
            own[one.partition] = Counted(before.records + 1, one.offset)
    return Tally(positions, counted, unreadable, tally.whole)


def follow(servers: str, topics: Topics, topic: str, tally: Tally, seconds: float) -> Tally:
    """Return the tally with what has come since, read for at most so many seconds.

    Raises:
        KafkaError: when the broker is away. PositionError: when there is no such topic.
    """
    begins, ends = topics.begins(topic), topics.ends(topic)
    if any(position > ends.get(partition, 0) for partition, position in tally.positions.items()):
        tally = Tally()  # the topic was made again
    waiting = {
        partition: max(begins[partition], tally.positions.get(partition, 0))
        for partition, end in ends.items()
        if tally.positions.get(partition, 0) < end and begins[partition] < end
    }
    until = monotonic() + seconds
    if waiting:
        with closing(consumer(servers, topic, waiting)) as reading, kafka_errors(servers):
            while _is_behind(tally, waiting, ends) and monotonic() < until:
                found = [message for message in reading.consume(_BATCH, _WAIT_S) if message.error() is None]
                tally = add(tally, ((one.partition(), one.offset(), one.value() or b"") for one in found))
    return msgspec.structs.replace(tally, whole=not _is_behind(tally, waiting, ends))


def _is_behind(tally: Tally, waiting: dict[int, int], ends: dict[int, int]) -> bool:
    return any(tally.positions.get(partition, begin) < ends[partition] for partition, begin in waiting.items())
