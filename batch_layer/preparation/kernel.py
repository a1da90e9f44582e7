"""All windows of many askers over one group's history, at once: the batch rendering of the definition in numpy. Pure.

1. Events are sorted by (entity, event time, partition, offset), and one 64-bit number orders (entity, event time): so
   every window of every asker becomes a range `[low, high)` of places. Askers are taken in the same order: what one looks
   up then lies beside what the next one does, which is most of the speed. The answers come in the order that was given.
2. A range is cut into the nodes of a binary tree over the places: a node stands for 2^k places, so that a range of n
   events is at most 2 log2 n nodes. Where events are known only once they were appended, a node that holds both known
   and unknown ones is replaced by its halves, down to single events.
3. Each aggregation keeps its state for every node (`reductions`), and reduces the states of a range's nodes. Nothing is
   subtracted: floats lose nothing to the history outside the window, and minima cost what sums cost.
4. The reduced states become values as `aggregations.finish` makes them, to the last bit for exact kinds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from batch_layer.preparation.covers import Column, Cover, States
from batch_layer.preparation.ordering import order_of
from batch_layer.preparation.reductions import finished, reduced

if TYPE_CHECKING:
    from lambda_core.features.definition import FeatureGroup
    from lambda_core.features.windows import Window

Array = np.ndarray
_WIDEST = 2**62


@dataclass(frozen=True)
class Events:
    """One place an event that counts, in any order.

    Attributes:
        entity: number of the entity. event_time_ms, partition, offset: when it happened, and its position.
        columns: what a slot sees (`Slot.sees`) -> its values (scaled integers for decimals) and which are there.
        known_ms: from when on the event was known; None where it is known from its event time on.
    """

    entity: Array
    event_time_ms: Array
    partition: Array
    offset: Array
    columns: dict[str, Column]
    known_ms: Array | None = None

    def sorted(self) -> Events:
        """Return the events by entity, event time, partition and offset."""
        order = _order(self.entity, self.event_time_ms)
        entity, time = self.entity[order], self.event_time_ms[order]
        same = np.flatnonzero((entity[1:] == entity[:-1]) & (time[1:] == time[:-1]))
        tied = np.unique(np.r_[same, same + 1])  # few: their positions alone are looked at
        own = order[tied]
        order[tied] = own[np.lexsort((self.offset[own], self.partition[own], time[tied], entity[tied]))]
        return self.at(order)

    def at(self, places: Array) -> Events:
        """Return the events at these places, in their order."""
        return Events(
            entity=self.entity[places],
            event_time_ms=self.event_time_ms[places],
            partition=self.partition[places],
            offset=self.offset[places],
            columns={name: Column(one.values[places], one.present[places]) for name, one in self.columns.items()},
            known_ms=None if self.known_ms is None else self.known_ms[places],
        )


@dataclass(frozen=True)
class Askers:
    """One place an asking row: the number of its entity, and its t in milliseconds."""

    entity: Array
    t_ms: Array


def windowed(group: FeatureGroup, events: Events, askers: Askers) -> dict[str, Column]:
    """Return every feature of the group for every asker, by feature name."""
    order = _order(askers.entity, askers.t_ms)
    events, askers = events.sorted(), Askers(askers.entity[order], askers.t_ms[order])
    ranges = _Ranges(events, max((int(side[-1]) for side in (events.entity, askers.entity) if len(side)), default=0))
    features = dict[str, Column]()
    for window in dict.fromkeys(feature.window for feature in group.features):
        cover, states = ranges.cover(askers, window), dict[int, States]()
        for feature in group.features:
            if feature.window == window:
                slot = group.slots[feature.slot]
                column = None if slot.sees is None else events.columns[slot.sees]
                if feature.slot not in states:
                    states[feature.slot] = reduced(slot.aggregation, column, cover)
                features[feature.name] = finished(feature.answer, states[feature.slot], askers.t_ms)
    return {feature.name: _given(order, features[feature.name]) for feature in group.features}


def _order(entity: Array, moment_ms: Array) -> Array:
    """Return the places in the order of (entity, moment), equal ones in any order.

    By one number each, which numpy sorts several times as fast as two, where 64 bits hold it.
    """
    if not len(entity):
        return np.empty(0, dtype=np.int64)
    first = int(moment_ms.min())
    steps = int(moment_ms.max()) - first + 1
    if steps * (int(entity.max()) + 2) >= _WIDEST:
        return np.lexsort((moment_ms, entity))
    return np.argsort(entity * steps + (moment_ms - first))


def _given(order: Array, sorted_: Column) -> Column:
    """Return a column of values in this order at the places that were given."""
    values, present = np.empty_like(sorted_.values), np.empty_like(sorted_.present)
    values[order], present[order] = sorted_.values, sorted_.present
    return Column(values, present)


class _Ranges:
    """Sorted events, searchable by (entity, event time)."""

    def __init__(self, events: Events, greatest_entity: int) -> None:
        self._events = events
        times = events.event_time_ms
        self._first_ms = int(times.min()) if len(times) else 0
        self._steps = int(times.max()) - self._first_ms + 2 if len(times) else 1
        self._times = None if self._steps * (greatest_entity + 1) < _WIDEST else np.unique(times)
        self._keys = self._key(events.entity, events.event_time_ms)
        self._size = 1 << max(0, len(self._keys) - 1).bit_length()

    def cover(self, askers: Askers, window: Window) -> Cover:
        """Return the nodes of every asker's window: `[start, t)`, less what was not known by t."""
        oldest_ms = askers.t_ms - window.length_ms
        start_ms = oldest_ms - oldest_ms % window.hop_ms  # as `windows.floor_to`, for many at once
        low = np.searchsorted(self._keys, self._key(askers.entity, start_ms))
        high = np.searchsorted(self._keys, self._key(askers.entity, askers.t_ms))
        asker, node = _canonical(low + self._size, high + self._size)
        events = np.maximum(high - low, 0)
        if self._events.known_ms is not None:
            asker, node = self._known(asker, node, askers.t_ms)
            events = np.bincount(asker, self._leaves(node), len(askers.t_ms)).astype(np.int64)
        order = order_of(asker, len(askers.t_ms))
        return Cover(len(askers.t_ms), self._size, asker[order], node[order], self._events.event_time_ms, events)

    def _leaves(self, node: Array) -> Array:
        """Return how many places each node stands for."""
        depth = np.frexp(node)[1] - 1  # of the root, 0: a node's number has as many bits behind its first one
        leaves: Array = self._size >> depth
        return leaves

    def _key(self, entity: Array, moment_ms: Array) -> Array:
        """Return numbers in the order of (entity, moment), as far as events tell moments apart.

        A moment's step is its distance from the first event; where entities times steps are too many for 64 bits, its
        rank among the events' times.
        """
        if self._times is None:
            steps, step = self._steps, np.clip(moment_ms - self._first_ms, 0, self._steps - 1)
        else:
            steps, step = len(self._times) + 1, np.searchsorted(self._times, moment_ms)
        keys: Array = entity.astype(np.int64) * steps + step
        return keys

    def _known(self, asker: Array, node: Array, t_ms: Array) -> tuple[Array, Array]:
        """Return the nodes whose events were all known at the asker's t, splitting those that hold both kinds."""
        latest, earliest = self._bounds()
        kept: list[tuple[Array, Array]] = []
        while len(node):
            t = t_ms[asker]
            all_known = latest[node] <= t
            mixed = ~all_known & (earliest[node] <= t)
            kept.append((asker[all_known], node[all_known]))
            asker, node = np.repeat(asker[mixed], 2), np.repeat(node[mixed] * 2, 2)
            node[1::2] += 1
        return _joined(kept)

    def _bounds(self) -> tuple[Array, Array]:
        known = self._events.known_ms
        if known is None:
            raise ValueError("expected events with the time from which they were known")
        integers = np.iinfo(np.int64)
        column = Column(known, np.ones(len(known), dtype=bool))
        return column.tree(self._size, np.maximum, integers.min), column.tree(self._size, np.minimum, integers.max)


def _canonical(low: Array, high: Array) -> tuple[Array, Array]:
    """Return (asker, node) of the fewest nodes that make up each range of leaves `[low, high)`."""
    asker = np.arange(len(low))
    found: list[tuple[Array, Array]] = []
    while len(asker := asker[low < high]):
        low, high = low[keep := low < high], high[keep]
        left, right = (low & 1).astype(bool), (high & 1).astype(bool)
        found += [(asker[left], low[left]), (asker[right], high[right] - 1)]
        low, high = (low + 1) >> 1, high >> 1
    return _joined(found)


def _joined(found: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    if not found:
        return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.int64)
    return np.concatenate([asker for asker, _ in found]), np.concatenate([node for _, node in found])
