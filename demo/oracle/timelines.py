"""A group's events by entity and time, and the plain formula over those that an answer may have seen.

    an event is seen   when it is on the batch side (a file's, or of a period before the horizon), or when its offset is
                       not past the answer's position for its partition
    a window covers    [floor(t - length, hop), t)

An answer that says `edge` counts, besides, what `edges` adds.

Numbers are 64-bit integers (decimals scaled), so that sums are exact; a mean, a variance and a decimal are one division
of exact integers, which Python rounds correctly: every comparison is of equal bits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from demo.oracle.declared import Declared, Feature, Group
from demo.oracle.edges import BATCH, Edge, Flags, Integers, right_edge

Value = int | float | str | None
_RESERVED = ("%", "|", "{", "}", ":")


@dataclass(frozen=True)
class Reach:
    """How far an answer saw: everything of periods before the horizon, and offsets up to a position a partition."""

    horizon: int
    positions: Mapping[int, int]


@dataclass(frozen=True)
class Reading:
    """One group's values, and how many events of each side and how many unseen ones lie in its longest window."""

    values: dict[str, Value]
    from_batch: int
    from_speed: int
    unseen: int


class Timeline:
    """The events of one group that count, in order of entity, event time, partition and offset."""

    def __init__(self, declared: Declared, group: Group, records: pl.DataFrame) -> None:
        self.group = group
        self._hops_ms = sorted({feature.hop_ms for feature in group.features})
        self._ring = declared.ring
        counted = records.filter(pl.col("reason").is_null() & pl.col("duplicate").is_null())
        keyed = counted.with_columns(entity=_key(group.keys)).filter(pl.col("entity").is_not_null())
        events = keyed.sort("entity", "event_ms", "partition", "offset")
        self._event_ms, self._partition, self._offset, self._period = (
            events[name].cast(pl.Int64).to_numpy() for name in ("event_ms", "partition", "offset", "period")
        )
        self._columns = {
            column: (events[column].fill_null(0).to_numpy(), events[column].is_not_null().to_numpy())
            for column in {feature.column for feature in group.features if feature.column is not None}
        }
        self._scales = {column: declared.scale(group.source, column) for column in self._columns}
        self._places: dict[str, tuple[int, int]] = {}
        runs = events.select(pl.col("entity").rle()).unnest("entity")
        first = 0
        for length, entity in runs.iter_rows():
            self._places[entity] = (first, first + length)
            first += length

    def read(self, entity: str | None, t_ms: int, reach: Reach | None, edge: Edge | None = None) -> Reading:
        """Return the group's values for an entity at t: of all events without a reach, plain without an edge."""
        begin, end = self._run(entity)
        windows = {(feature.start(t_ms), feature.hop_ms) for feature in self.group.features}
        times = self._event_ms[begin:end]
        first, last = (begin + int(place) for place in np.searchsorted(times, [min(windows)[0], t_ms]))
        batch, speed = self._seen(first, last, reach)
        seen = batch | speed
        values = {}
        for start, hop_ms in windows:
            skipped = int(np.searchsorted(self._event_ms[first:last], start))
            inside = np.flatnonzero(seen[skipped:]) + first + skipped
            if edge is not None:
                inside = np.concatenate([inside, edge.added[hop_ms]])
            own = [f for f in self.group.features if (f.start(t_ms), f.hop_ms) == (start, hop_ms)]
            values.update({feature.name: self._value(feature, inside) for feature in own})
        return Reading(values, int(batch.sum()), int(speed.sum()), int((~seen).sum()))

    def edge(self, entity: str | None, t_ms: int, reach: Reach) -> Edge:
        """Return what the right edge does to the group's answer for an entity at t."""
        begin, end = self._run(entity)
        oldest_tile = min(t_ms // hop_ms * hop_ms for hop_ms in self._hops_ms)
        first = begin + int(np.searchsorted(self._event_ms[begin:end], oldest_tile))
        batch, speed = self._seen(first, end, reach)
        places = np.flatnonzero(batch | speed) + first
        view = np.where(batch, BATCH, self._period[first:end])[places - first]
        edge = right_edge(t_ms, self._hops_ms, self._event_ms[places], view, self._ring)
        return Edge(edge.said, {hop_ms: places[added] for hop_ms, added in edge.added.items()})

    def _run(self, entity: str | None) -> tuple[int, int]:
        return self._places.get(entity, (0, 0)) if entity is not None else (0, 0)

    def _seen(self, first: int, last: int, reach: Reach | None) -> tuple[Flags, Flags]:
        period = self._period[first:last]
        if reach is None:
            return np.ones(last - first, bool), np.zeros(last - first, bool)
        batch = period < reach.horizon
        applied = np.zeros(last - first, bool)
        for partition, position in reach.positions.items():
            applied |= (self._partition[first:last] == partition) & (self._offset[first:last] <= position)
        return batch, applied & ~batch

    def _value(self, feature: Feature, inside: Integers) -> Value:
        if feature.column is None:
            return len(inside)
        numbers, known = self._columns[feature.column]
        there = numbers[inside][known[inside]]
        value: Value = AGGREGATIONS[feature.aggregation](there, 10 ** self._scales[feature.column])
        return value


def _key(columns: tuple[str, ...]) -> pl.Expr:
    parts = []
    for column in columns:
        part = pl.col(column).cast(pl.String)
        for character in _RESERVED:
            part = part.str.replace_all(character, f"%{ord(character):02X}", literal=True)
        parts.append(part)
    return pl.concat_str(parts, separator="|")


def _in_unit(number: Any, unit: int) -> Value:
    return int(number) if unit == 1 else int(number) / unit


def _mean(numbers: Integers, unit: int) -> Value:
    return int(numbers.sum()) / (len(numbers) * unit) if len(numbers) else None


def _variance(numbers: Integers, unit: int) -> Value:
    n = len(numbers)
    if n < 2:
        return None
    total, squares = int(numbers.sum()), int(np.dot(numbers, numbers))
    return (n * squares - total * total) / (n * (n - 1) * unit * unit)


AGGREGATIONS: dict[str, Any] = {
    "count": lambda numbers, _: len(numbers),
    "sum": lambda numbers, unit: _in_unit(numbers.sum(), unit) if len(numbers) else None,
    "mean": _mean,
    "variance": _variance,
    "min": lambda numbers, unit: _in_unit(numbers.min(), unit) if len(numbers) else None,
    "max": lambda numbers, unit: _in_unit(numbers.max(), unit) if len(numbers) else None,
    "latest": lambda numbers, unit: _in_unit(numbers[-1], unit) if len(numbers) else None,
}
