"""Topics that live in memory, for tests."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_core.repositories.log import LogRecord


@dataclass
class MemoryTopics:
    """Topics that live in memory, for tests: (topic, partition) -> append times of the records, in order of offset."""

    records: dict[str, dict[int, list[int]]] = field(default_factory=dict)
    generation: dict[str, int] = field(default_factory=dict)

    def create(self, partitions: Mapping[str, int]) -> None:
        """Make sure that each topic exists."""
        for name, count in partitions.items():
            self.records.setdefault(name, {partition: [] for partition in range(count)})

    def ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return topic -> id of those that exist."""
        return {name: f"{name}#{self.generation.get(name, 0)}" for name in topics if name in self.records}

    def begins(self, topic: str) -> dict[int, int]:
        """Return partition -> offset of the first record kept."""
        return dict.fromkeys(self.records[topic], 0)

    def ends(self, topic: str) -> dict[int, int]:
        """Return partition -> offset that the next record will get."""
        return {partition: len(times) for partition, times in self.records[topic].items()}

    def at_time(self, topic: str, moment_ms: int) -> dict[int, int | None]:
        """Return partition -> offset of the first record appended at or after the moment; None where there is none."""
        return {
            partition: next((place for place, time_ms in enumerate(times) if time_ms >= moment_ms), None)
            for partition, times in self.records[topic].items()
        }

    def oldest(self, topic: str) -> dict[int, int | None]:
        """Return partition -> None: nothing is ever gone."""
        return dict.fromkeys(self.records[topic])

    def stamped_before(self, topic: str, positions: Mapping[int, int], moment_ms: int) -> list[LogRecord]:
        """Return the records from these offsets on whose append time lies before the moment; they have no values."""
        return [
            (partition, offset, time_ms, b"")
            for partition, times in self.records[topic].items()
            for offset, time_ms in enumerate(times)
            if offset >= positions.get(partition, 0) and time_ms < moment_ms
        ]
