"""Aggregations over ranges of places in numpy: a state for every node of a binary tree, reduced over a range's nodes.

Integers are 64 bits wide where no sum over all events can leave them, and Python's own where one could; ratios of
integers are divided once, to the nearest double. So values equal `aggregations.finish` to the last bit; floating sums
and variances agree within their bound.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lambda_core.features.aggregations import Aggregation, Number

Array = np.ndarray
States = dict[str, Array]
"""Component -> its value for every asker; `n` is the number of values seen."""

_EXACT_DOUBLE = 2**53
_SAFE = 2**62
_INT64 = 2**63
_DIGITS = 10**38


@dataclass(frozen=True)
class Column:
    """Values with which of them are there. Integers, scaled integers, doubles or texts; absent ones hold anything."""

    values: Array
    present: Array

    def tree(self, size: int, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of every node: node i has the children 2i and 2i + 1, the leaves begin at `size`."""
        nodes = np.full(2 * size, neutral, dtype=self.values.dtype)
        nodes[size : size + len(self.values)] = np.where(self.present, self.values, neutral)
        while size > 1:
            nodes[size // 2 : size] = operation(nodes[size : 2 * size : 2], nodes[size + 1 : 2 * size : 2])
            size //= 2
        return nodes


@dataclass(frozen=True)
class Cover:
    """The nodes that make up each asker's range: pairs (asker, node), by asker; askers without events have none."""

    askers: int
    size: int
    asker: Array
    node: Array

    def reduce(self, column: Column, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of the column over each asker's range; `neutral` where it is empty."""
        return self.gathered(column.tree(self.size, operation, neutral)[self.node], operation, neutral)

    def gathered(self, parts: Array, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of one part a pair over each asker's pairs."""
        out = np.full(self.askers, neutral, dtype=parts.dtype)
        if len(parts):
            begins = np.flatnonzero(np.r_[True, self.asker[1:] != self.asker[:-1]])
            out[self.asker[begins]] = operation.reduceat(parts, begins)
        return out


def reduced(aggregation: Aggregation, column: Column | None, cover: Cover) -> States:
    """Return the states of the aggregation over each asker's range; a missing column counts events."""
    if column is None:
        leaves = np.ones(cover.size, dtype=np.int64)
        return {"n": cover.reduce(Column(leaves, leaves.astype(bool)), np.add, 0)}
    seen = Column(column.present.astype(np.int64), column.present)
    return _REDUCTIONS[aggregation.name](column, cover, cover.reduce(seen, np.add, 0))


def finished(aggregation: Aggregation, states: States) -> Column:
    """Return the values of the states, as the aggregation's `finish` makes them; absent where it gives None."""
    with np.errstate(all="ignore"):  # what is not finite is absent, as in the states
        return _FINISHES[aggregation.name](aggregation.number, states)


def _count(_: Column, __: Cover, n: Array) -> States:
    return {"n": n}


def _sum(column: Column, cover: Cover, n: Array) -> States:
    return {"n": n, "total": cover.reduce(_roomy(column, 1), np.add, 0)}


def _variance(column: Column, cover: Cover, n: Array) -> States:
    if column.values.dtype.kind == "f":
        return {"n": n, "m2": _centred(column, cover, n)}
    roomy = _roomy(column, 2)
    squares = Column(roomy.values * roomy.values, roomy.present)
    return {**_sum(column, cover, n), "squares": cover.reduce(squares, np.add, 0)}


def _extreme(operation: np.ufunc) -> Callable[[Column, Cover, Array], States]:
    def reduction(column: Column, cover: Cover, n: Array) -> States:
        integers, lowest = np.iinfo(np.int64), operation is np.maximum
        neutral: float = integers.min if lowest else integers.max
        if column.values.dtype.kind == "f":
            neutral = -np.inf if lowest else np.inf
        return {"n": n, "value": cover.reduce(column, operation, neutral)}

    return reduction


def _latest(column: Column, cover: Cover, n: Array) -> States:
    places = Column(np.arange(len(column.values)), column.present)
    last = cover.reduce(places, np.maximum, -1)
    values = column.values[last] if len(column.values) else np.empty(len(last), dtype=column.values.dtype)
    return {"n": n, "value": values}


def _centred(column: Column, cover: Cover, n: Array) -> Array:
    """Return the sum of squared distances from the mean, by the pairwise formula from node to node."""
    count = Column(column.present.astype(np.float64), column.present).tree(cover.size, np.add, 0)
    with np.errstate(all="ignore"):
        mean, m2 = column.tree(cover.size, np.add, 0.0), np.zeros(2 * cover.size)
        size = cover.size
        while size > 1:
            here, left, right = slice(size // 2, size), slice(size, 2 * size, 2), slice(size + 1, 2 * size, 2)
            both = np.maximum(count[here], 1)
            delta = mean[right] - mean[left]
            mean[here] = np.where(count[left] == 0, mean[right], mean[left] + delta * count[right] / both)
            m2[here] = m2[left] + m2[right] + delta * delta * count[left] * count[right] / both
            size //= 2
        weight, parts = count[cover.node], mean[cover.node]
        middle = cover.gathered(np.where(weight > 0, parts * weight, 0), np.add, 0.0) / np.maximum(n, 1)
        around = np.where(weight > 0, (parts - middle[cover.asker]) ** 2 * weight, 0)
        return cover.gathered(m2[cover.node] + around, np.add, 0.0)


def _roomy(column: Column, power: int) -> Column:
    """Return the column wide enough for any sum of its values to this power: Python's integers where 64 bits are not."""
    if column.values.dtype.kind != "i" or not column.present.any():
        return column
    seen = column.values[column.present]
    greatest = max(abs(int(seen.min())), abs(int(seen.max())))
    if greatest**power * len(seen) < _SAFE:
        return column
    return Column(column.values.astype(object), column.present)


def _finish_count(_: Number, states: States) -> Column:
    return Column(states["n"], np.ones(len(states["n"]), dtype=bool))


def _finish_value(number: Number, states: States) -> Column:
    values, present = states["value"], states["n"] > 0
    return _in_unit(number, values, present) if number.exact else Column(values, present)


def _finish_sum(number: Number, states: States) -> Column:
    present = states["n"] > 0
    if number.exact:
        return _in_unit(number, states["total"], present & _in_range(states["total"]))
    return Column(states["total"] + 0.0, present & np.isfinite(states["total"].astype(np.float64)))


def _finish_mean(number: Number, states: States) -> Column:
    n, total = np.maximum(states["n"], 1), states["total"]
    if number.exact:
        present = (states["n"] > 0) & _in_range(total)
        return Column(_ratio(total, n * 10**number.scale, present), present)
    return Column(total / n, (states["n"] > 0) & np.isfinite(total))


def _finish_variance(number: Number, states: States) -> Column:
    n, present = states["n"], states["n"] > 1
    if not number.exact:
        return Column(values := states["m2"] / np.maximum(n - 1, 1), present & np.isfinite(values))
    total, squares = states["total"], states["squares"]
    present = present & np.array(np.abs(squares) < _DIGITS, dtype=bool)
    small = np.maximum(n.astype(float) * squares.astype(float), total.astype(float) ** 2) < _EXACT_DOUBLE
    small &= n.astype(float) ** 2 * float(100**number.scale) < _EXACT_DOUBLE
    values = np.zeros(len(n))
    quick, slow = np.flatnonzero(small & present), np.flatnonzero(~small & present)
    n_quick, total_quick = n[quick], total[quick].astype(np.int64)
    above = n_quick * squares[quick].astype(np.int64) - total_quick * total_quick
    values[quick] = above / (n_quick * (n_quick - 1) * 100**number.scale if len(quick) else 1)
    for place in slow:
        count, sum_, square = int(n[place]), int(total[place]), int(squares[place])
        values[place] = (count * square - sum_ * sum_) / (count * (count - 1) * 100**number.scale)
    return Column(values, present)


def _in_unit(number: Number, values: Array, present: Array) -> Column:
    if not number.scale:
        return Column(np.where(present, values, 0).astype(np.int64), present)
    return Column(_ratio(values, np.full(len(values), 10**number.scale), present), present)


def _in_range(totals: Array) -> Array:
    if totals.dtype != object:
        return np.ones(len(totals), dtype=bool)
    return np.array((totals >= -_INT64) & (totals < _INT64), dtype=bool)


def _ratio(above: Array, below: Array, present: Array) -> Array:
    """Return above / below, to the nearest double: in one division of doubles where both are exact, else by Python."""
    exact = np.array((np.abs(above) <= _EXACT_DOUBLE) & (below <= _EXACT_DOUBLE), dtype=bool)
    ratios = np.where(exact, above, 0).astype(np.float64) / np.where(exact, below, 1).astype(np.float64)
    for place in np.flatnonzero(~exact & present):
        ratios[place] = int(above[place]) / int(below[place])
    return ratios


_REDUCTIONS: dict[str, Callable[[Column, Cover, Array], States]] = {
    "count": _count,
    "sum": _sum,
    "mean": _sum,
    "variance": _variance,
    "min": _extreme(np.minimum),
    "max": _extreme(np.maximum),
    "latest": _latest,
}
_FINISHES: dict[str, Callable[[Number, States], Column]] = {
    "count": _finish_count,
    "sum": _finish_sum,
    "mean": _finish_mean,
    "variance": _finish_variance,
    "min": _finish_value,
    "max": _finish_value,
    "latest": _finish_value,
}
