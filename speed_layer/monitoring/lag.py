"""How far somebody who reads a topic is behind: in records, and in seconds, which is the age of the oldest that waits.

Both are exact at the moment of asking: the end of the log is asked for, and where something waits, the first such record is
read. Its age counts from the append time of the *source* record that it comes from.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from time import monotonic
from typing import TYPE_CHECKING

import msgspec

from lambda_core.repositories.log import consumer, kafka_errors

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from lambda_core.repositories.log import Topics

    Oldest = Callable[[str, Mapping[int, int]], dict[int, int]]

WAIT_S = 3.0


class _Message(msgspec.Struct):
    append_ms: int


@dataclass(frozen=True)
class Lag:
    """Where somebody stands on one partition.

    Attributes:
        position: next offset. begin, end: of the log. records: how many wait.
        seconds: age of the oldest record that waits; 0 when none does, None when it could not be read.
    """

    position: int
    begin: int
    end: int
    records: int
    seconds: float | None


def lags(
    topics: Topics, oldest: Oldest, topic: str, positions: Mapping[int, int | None], now_ms: int
) -> dict[int, Lag]:
    """Return how far behind the end each partition's position is; a position of None stands for the log's begin.

    Args:
        topics: tells begins and ends.
        oldest: returns the append times of the records at positions.
        topic: all of its partitions are looked at, those without a position from their begin.
        positions: partition -> next offset.
        now_ms: the present moment.

    Raises:
        KafkaError: when the broker is away. PositionError: when there is no such topic.
    """
    begins = topics.begins(topic)
    stands = {p: begin if positions.get(p) is None else int(positions[p] or 0) for p, begin in begins.items()}
    ends = topics.ends(topic)  # asked last: nobody stands behind it
    waiting = {p: position for p, position in stands.items() if begins[p] <= position < ends[p]}
    appended = oldest(topic, waiting) if waiting else {}
    ages: dict[int, float | None] = {p: max(0, now_ms - moment_ms) / 1_000 for p, moment_ms in appended.items()}
    return {
        p: Lag(position, begins[p], ends[p], max(0, ends[p] - position), ages.get(p) if p in waiting else 0.0)
        for p, position in stands.items()
    }


def oldest_of(servers: str, own_topics: Collection[str]) -> Oldest:
    """Return what reads the append times (ms) of the records at some positions: one record a partition.

    Messages of the project's own topics say when the source record that they come from was appended.
    """

    def read(topic: str, positions: Mapping[int, int]) -> dict[int, int]:
        found: dict[int, int] = {}
        until = monotonic() + WAIT_S
        with closing(consumer(servers, topic, positions)) as reading, kafka_errors(servers):
            while len(found) < len(positions) and monotonic() < until:
                for message in reading.consume(100, 0.1):
                    if message.error() is None:
                        said = _said_ms(message.value()) if topic in own_topics else None
                        found.setdefault(message.partition(), message.timestamp()[1] if said is None else said)
        return found

    return read


def _said_ms(value: bytes | None) -> int | None:
    try:
        return msgspec.json.decode(value or b"", type=_Message).append_ms
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
