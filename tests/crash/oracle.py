"""What an answer must be, from what was sent and where the log put it; imports nothing of the product.

An answer names a horizon P and, for each (group, entity), the greatest offset applied of each partition. It must be the
formula over exactly these events of the entity, copies counted once:

1. Batch side: the events of periods before P. Speed side: those of periods from P on, up to the positions.
2. Of each period of the speed side the `ring` newest events (by event time, partition, offset) are single, the others
   are folded into tiles of every hop.
3. With `start = floor(t - length, hop)`: single events count when they lie in `[start, t)`, all others when their tile
   lies in `[start, t)`.
4. `edge` is said when a counted tile ends after t and lies in a period whose folded events reach t, or in a view
   whose events reach t.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

MINUTE_MS = 60_000
HOP_MS = {"1h": 5 * MINUTE_MS, "1d": 60 * MINUTE_MS}
LENGTH_MS = {"1h": 60 * MINUTE_MS, "1d": 24 * 60 * MINUTE_MS}
DECLARED: dict[str, list[tuple[str | None, list[str], list[str]]]] = {
    "by_customer": [
        (None, ["count"], ["1h", "1d"]),
        ("amount", ["sum", "max", "latest"], ["1h"]),
        ("amount", ["mean", "min"], ["1d"]),
        ("weight", ["sum", "variance"], ["1h", "1d"]),
    ],
    "by_shop": [
        (None, ["count"], ["1h"]),
        ("amount", ["sum", "latest"], ["1h"]),
        ("weight", ["sum"], ["1d"]),
    ],
}
"""Group -> what is declared of it: column, aggregations, windows."""
_MANY = 64
"""More partitions than any topic here has."""
TOLERANCE = 1e-9
"""How far floating sums may lie from ours, as a part of the sum of magnitudes; everything else is equal in all bits."""


@dataclass(frozen=True)
class Sale:
    """One event as it was sent."""

    id: str
    customer: str | None
    shop: str
    cents: int
    weight: float | None
    at_ms: int


@dataclass(frozen=True)
class Placed:
    """A record where the log put it; no sale where it was sent broken."""

    partition: int
    offset: int
    append_ms: int
    sale: Sale | None


@dataclass(frozen=True)
class Rules:
    """What of the settings decides an answer."""

    period_ms: int
    ring: int
    duplicate_horizon_ms: int


class Oracle:
    """Answers for every entity of a log."""

    def __init__(self, records: Sequence[Placed], rules: Rules) -> None:
        self.rules = rules
        self.copies = later_copies(records, rules.duplicate_horizon_ms)
        counted = [one for one in records if one.sale and (one.partition, one.offset) not in self.copies]
        self.last_ms = max((one.sale.at_ms for one in counted if one.sale), default=0)
        self.entities: dict[str, dict[str, _Events]] = {"by_customer": {}, "by_shop": {}}
        for group, name in (("by_customer", "customer"), ("by_shop", "shop")):
            by_entity: dict[str, list[Placed]] = {}
            for one in counted:
                entity = getattr(one.sale, name)
                if entity is not None:
                    by_entity.setdefault(key(entity), []).append(one)
            self.entities[group] = {entity: _Events(own, rules) for entity, own in by_entity.items()}

    def compare(self, answer: Mapping[str, Any], *, everything: bool = False) -> list[str]:
        """Return one sentence a value of a merged answer, or a flag, that is another than it must be.

        Over the events up to the positions that the answer names, or over everything that was sent.
        """
        wrong = []
        for group, said in answer["groups"].items():
            found = self.entities[group].get(said["entity"])
            positions = {int(partition): offset for partition, offset in said["positions"].items()}
            positions = dict.fromkeys(range(_MANY), sys.maxsize) if everything else positions
            values, edge = _answer(group, found, answer["t_ms"], answer["horizon"], positions)
            if edge != said["edge"]:
                wrong.append(f"{group} {said['entity']}: expected edge={edge}, found {said['edge']}")
            for name, (expected, magnitude) in values.items():
                value = answer["values"][name]
                if not _equal(expected, value, magnitude):
                    wrong.append(f"{name} of {said['entity']} at {answer['t_ms']}: expected {expected}, found {value}")
        return wrong


def key(name: str) -> str:
    """Return the canonical key of an entity, by which answers name it."""
    return name.replace("|", "%7C")


class _Events:
    """One (group, entity)'s events that count, ascending by period, event time, partition and offset."""

    def __init__(self, own: Sequence[Placed], rules: Rules) -> None:
        rows = sorted(
            (
                one.append_ms // rules.period_ms,
                one.sale.at_ms,
                one.partition,
                one.offset,
                one.sale.cents,
                one.sale.weight,
            )
            for one in own
            if one.sale
        )
        columns = list(zip(*rows, strict=True))
        self.period, self.at, self.partition, self.offset, self.cents = (np.array(column) for column in columns[:5])
        self.weight = np.array([math.nan if weight is None else weight for weight in columns[5]])
        self.tile = {hop: self.at - self.at % hop for hop in HOP_MS.values()}
        self.ring = rules.ring


def later_copies(records: Sequence[Placed], horizon_ms: int) -> set[tuple[int, int]]:
    """Return the positions of copies that do not count: within the horizon of the copy of their id kept last."""
    kept: dict[tuple[int, str], int] = {}
    later = set()
    for one in sorted(records, key=lambda one: (one.partition, one.offset)):
        if one.sale is None:
            continue
        key = (one.partition, one.sale.id)
        if key in kept and one.append_ms - kept[key] <= horizon_ms:
            later.add((one.partition, one.offset))
        else:
            kept[key] = one.append_ms
    return later


def _answer(
    group: str, own: _Events | None, t_ms: int, horizon: int, positions: Mapping[int, int]
) -> tuple[dict[str, tuple[Any, float]], bool]:
    """Return each feature's value with the sum of magnitudes behind it, and whether the answer is on the edge."""
    values: dict[str, tuple[Any, float]] = {}
    edges = []
    sides = None if own is None else _sides(own, horizon, positions)
    for window, length in LENGTH_MS.items():
        chosen = np.array([], dtype=int)
        if own is not None and sides is not None:
            chosen, edge = _window(own, sides, t_ms, length, HOP_MS[window])
            edges.append(edge)
        for column, aggregations, windows in DECLARED[group]:
            for aggregation in aggregations if window in windows else ():
                name = f"{group}__{aggregation if column is None else f'{column}_{aggregation}'}_{window}"
                values[name] = _aggregate(own, chosen, column, aggregation)
    return values, any(edges)


@dataclass(frozen=True)
class _Sides:
    """Which events are where: on the batch side, folded, single; and for each, the newest folded one of its period."""

    batch: np.ndarray
    folded: np.ndarray
    single: np.ndarray
    folded_ms: np.ndarray


def _sides(own: _Events, horizon: int, positions: Mapping[int, int]) -> _Sides:
    batch = own.period < horizon
    limit = np.array([positions.get(partition, -1) for partition in range(int(own.partition.max()) + 1)])
    speed = np.flatnonzero(~batch & (own.offset <= limit[own.partition]))
    ends = np.searchsorted(own.period[speed], own.period[speed], side="right")
    from_end = ends - np.arange(len(speed))
    folded, single = np.zeros(len(own.at), dtype=bool), np.zeros(len(own.at), dtype=bool)
    folded[speed[from_end > own.ring]] = True
    single[speed[from_end <= own.ring]] = True
    folded_ms = np.full(len(own.at), -1)
    where = np.flatnonzero(folded)
    # Events of a period ascend by event time: its last folded one is its newest.
    folded_ms[where] = own.at[where[np.searchsorted(own.period[where], own.period[where], side="right") - 1]]
    return _Sides(batch, folded, single, folded_ms)


def _window(own: _Events, sides: _Sides, t_ms: int, length: int, hop: int) -> tuple[np.ndarray, bool]:
    start = (t_ms - length) // hop * hop
    tile = own.tile[hop]
    in_tiles = (tile >= start) & (tile < t_ms)
    in_singles = (own.at >= start) & (own.at < t_ms)
    batch, folded = sides.batch & in_tiles, sides.folded & in_tiles
    ends_later = tile + hop > t_ms
    reached = bool(sides.batch.any()) and own.at[sides.batch].max() >= t_ms
    edge = (reached and bool((batch & ends_later).any())) or bool(
        (folded & ends_later & (sides.folded_ms >= t_ms)).any()
    )
    return np.flatnonzero(batch | folded | (sides.single & in_singles)), edge


def _aggregate(own: _Events | None, chosen: np.ndarray, column: str | None, aggregation: str) -> tuple[Any, float]:
    if column is None:
        return len(chosen), 0.0
    if own is None:
        return None, 0.0
    if column == "amount":
        return _of_cents(own, chosen, aggregation), 0.0
    weights = own.weight[chosen]
    weights = weights[~np.isnan(weights)]
    if aggregation == "sum":
        return (math.fsum(weights), math.fsum(abs(weights))) if len(weights) else (None, 0.0)
    if len(weights) < 2:
        return None, 0.0
    mean = math.fsum(weights) / len(weights)
    squares = math.fsum((weights - mean) ** 2)
    return squares / (len(weights) - 1), math.fsum(weights**2) / (len(weights) - 1)


def _of_cents(own: _Events, chosen: np.ndarray, aggregation: str) -> Any:
    if not len(chosen):
        return None
    cents = own.cents[chosen]
    total = int(cents.sum())
    if aggregation == "latest":
        order = np.lexsort((own.offset[chosen], own.partition[chosen], own.at[chosen]))
        return int(cents[order[-1]]) / 100
    if aggregation == "mean":
        return total / (len(cents) * 100)
    return {"sum": total, "max": int(cents.max()), "min": int(cents.min())}[aggregation] / 100


def _equal(expected: Any, found: Any, magnitude: float) -> bool:
    if expected is None or found is None or magnitude == 0.0:
        return bool(expected == found)
    return abs(expected - found) <= TOLERANCE * magnitude
