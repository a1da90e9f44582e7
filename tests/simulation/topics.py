"""The updates topic as a worker reads it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from speed_layer.worker import Record

if TYPE_CHECKING:
    import random
    from collections.abc import Mapping


class Reading:
    """A consumer of the updates topic: fetches as much as it likes, from the partitions in any order."""

    def __init__(self, records: list[list[bytes]], draw: random.Random) -> None:
        self._records = records
        self._draw = draw
        self._next: dict[int, int] = {}

    def seek(self, positions: Mapping[int, int]) -> None:
        self._next = dict(positions)

    def poll(self, limit: int, wait_s: float) -> list[Record]:
        del wait_s
        found: list[Record] = []
        for partition in self._draw.sample(sorted(self._next), len(self._next)):
            first = self._next[partition]
            values = self._records[partition][first : first + self._draw.randint(0, limit)]
            found += [Record(partition, first + place, value) for place, value in enumerate(values)]
        for record in found[:limit]:
            self._next[record.partition] = record.offset + 1
        return found[:limit]
