"""Aggregations over ranges of places in numpy: a state for every node of a binary tree, reduced over a range's nodes.

Integers are 64 bits wide where no sum over all events can leave them, and Python's own where one could; ratios of
integers are divided once, to the nearest double. So values equal `aggregations.finish` to the last bit; floating sums
and variances agree within their bound.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from batch_layer.preparation.covers import Array, Column, Cover, States
from batch_layer.preparation.reductions_with_settings import (
    decayed_sums,
    finish_decayed,
    finish_one_by_one,
    finish_share,
    histograms,
    last_events,
    registers,
)

if TYPE_CHECKING:
    from lambda_core.features.aggregations import Aggregation, Number

Reduction = Callable[["Aggregation", Column, Cover, Array], States]
"""What makes the states of an aggregation over a column: of each asker's range, n of whose values are there."""

_EXACT_DOUBLE = 2**53
_SAFE = 2**62
_INT64 = 2**63
_DIGITS = 10**38


def reduced(aggregation: Aggregation, column: Column | None, cover: Cover) -> States:
    """Return the states of the aggregation over each asker's range; a missing column counts events."""
    if column is None:
        return {"n": cover.events}
    kept = aggregation.state_of or aggregation.name
    return _REDUCTIONS[kept](aggregation, column, cover, cover.seen(column))


def finished(answer: Aggregation, states: States, t_ms: Array) -> Column:
    """Return the values of the states at each asker's t, as `answer.finish` makes them; absent where it gives None."""
    with np.errstate(all="ignore"):  # what is not finite is absent, as in the states
        return _FINISHES[answer.name](answer, states, t_ms)


def _count(_: Aggregation, __: Column, ___: Cover, n: Array) -> States:
    return {"n": n}


def _sum(_: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    return {"n": n, "total": cover.once("total", column, lambda: cover.reduce(_roomy(column, 1), np.add, 0))}


def _variance(aggregation: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    if column.values.dtype.kind == "f":
        return {"n": n, "m2": _centred(column, cover, n)}
    roomy = _roomy(column, 2)
    squares = Column(roomy.values * roomy.values, roomy.present)
    return {**_sum(aggregation, column, cover, n), "squares": cover.reduce(squares, np.add, 0)}


def _extreme(operation: np.ufunc) -> Reduction:
    def reduction(_: Aggregation, column: Column, cover: Cover, n: Array) -> States:
        integers, lowest = np.iinfo(np.int64), operation is np.maximum
        neutral: float = integers.min if lowest else integers.max
        if column.values.dtype.kind == "f":
            neutral = -np.inf if lowest else np.inf
        return {"n": n, "value": cover.reduce(column, operation, neutral)}

    return reduction


def _of_one_event(operation: np.ufunc) -> Reduction:
    def reduction(_: Aggregation, column: Column, cover: Cover, n: Array) -> States:
        count = len(column.values)
        places = Column(np.arange(count), column.present)
        best = cover.reduce(places, operation, -1 if operation is np.maximum else count)
        best = np.where(n > 0, best, 0) if count else np.zeros(0, dtype=np.int64)
        values = column.values[best] if count else np.empty(len(n), dtype=column.values.dtype)
        return {"n": n, "value": values, "time": cover.event_time_ms[best] if count else np.zeros(len(n), np.int64)}

    return reduction


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


def _finish_count(_: Aggregation, states: States, __: Array) -> Column:
    return Column(states["n"], np.ones(len(states["n"]), dtype=bool))


def _finish_value(answer: Aggregation, states: States, _: Array) -> Column:
    number, values, present = answer.number, states["value"], states["n"] > 0
    return _in_unit(number, values, present) if number.exact else Column(values, present)


def _finish_latest(answer: Aggregation, states: States, t_ms: Array) -> Column:
    found, expiry_ms = _finish_value(answer, states, t_ms), getattr(answer, "expiry_ms", None)
    return found if expiry_ms is None else Column(found.values, found.present & (t_ms - states["time"] <= expiry_ms))


def _finish_sum(answer: Aggregation, states: States, _: Array) -> Column:
    number, present = answer.number, states["n"] > 0
    if number.exact:
        return _in_unit(number, states["total"], present & _in_range(states["total"]))
    return Column(states["total"] + 0.0, present & np.isfinite(states["total"].astype(np.float64)))


def _finish_mean(answer: Aggregation, states: States, _: Array) -> Column:
    number, n, total = answer.number, np.maximum(states["n"], 1), states["total"]
    if number.exact:
        present = (states["n"] > 0) & _in_range(total)
        return Column(_ratio(total, n * 10**number.scale, present), present)
    return Column(total / n, (states["n"] > 0) & np.isfinite(total))


def _finish_stddev(answer: Aggregation, states: States, t_ms: Array) -> Column:
    variance = _finish_variance(answer, states, t_ms)
    return Column(np.sqrt(variance.values), variance.present)


def _finish_variance(answer: Aggregation, states: States, _: Array) -> Column:
    number = answer.number
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


_REDUCTIONS: dict[str, Reduction] = {
    "count": _count,
    "sum": _sum,
    "mean": _sum,
    "share": _sum,
    "variance": _variance,
    "min": _extreme(np.minimum),
    "max": _extreme(np.maximum),
    "first": _of_one_event(np.minimum),
    "latest": _of_one_event(np.maximum),
    "last_n": last_events,
    "histogram": histograms,
    "distinct": registers,
    "decayed_sum": decayed_sums,
}
"""By the aggregation whose state it is."""
_FINISHES: dict[str, Callable[[Aggregation, States, Array], Column]] = {
    "count": _finish_count,
    "sum": _finish_sum,
    "mean": _finish_mean,
    "share": _finish_mean,
    "variance": _finish_variance,
    "stddev": _finish_stddev,
    "min": _finish_value,
    "max": _finish_value,
    "first": _finish_value,
    "latest": _finish_latest,
    "last_n": finish_one_by_one,
    "histogram": finish_one_by_one,
    "shares": finish_share,
    "quantiles": finish_one_by_one,
    "distinct": finish_one_by_one,
    "decayed_sum": finish_decayed,
}
