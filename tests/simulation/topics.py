"""The updates topic as a worker reads it, and topics as a publication asks for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.repositories.memory_topics import MemoryTopics
from speed_layer.worker import Record

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Mapping


class Reading:
    """A consumer of the updates topic: fetches as much as it likes, from the partitions in any order.

    `meanwhile` is called first: others go on while it waits.
    """

    def __init__(self, records: list[list[bytes]], draw: random.Random, meanwhile: Callable[[], object]) -> None:
        self._records = records
        self._draw = draw
        self._meanwhile = meanwhile
        self._next: dict[int, int] = {}

    def seek(self, positions: Mapping[int, int]) -> None:
        self._next = dict(positions)

    def poll(self, limit: int, wait_s: float) -> list[Record]:
        del wait_s
        self._meanwhile()
        found: list[Record] = []
        for partition in self._draw.sample(sorted(self._next), len(self._next)):
            first = self._next[partition]
            values = self._records[partition][first : first + self._draw.randint(0, limit)]
            found += [Record(partition, first + place, value) for place, value in enumerate(values)]
        for record in found[:limit]:
            self._next[record.partition] = record.offset + 1
        return found[:limit]


class Asked(MemoryTopics):
    """Topics whose late records a publication looks for: by the time it knows of them, others have gone on."""

    def __init__(self, records: dict[str, dict[int, list[int]]], meanwhile: Callable[[], object]) -> None:
        super().__init__(records)
        self._meanwhile = meanwhile

    def stamped_before(
        self, topic: str, positions: Mapping[int, int], moment_ms: int
    ) -> list[tuple[int, int, int, bytes]]:
        found = super().stamped_before(topic, positions, moment_ms)
        self._meanwhile()
        return found
