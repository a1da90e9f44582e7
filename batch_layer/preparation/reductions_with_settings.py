"""Aggregations with settings over ranges of places in numpy: lists, histograms, registers, decayed sums.

As in `reductions`, an exact kind's value equals `aggregations.finish` to the last bit. Where an answer is more than an
operation or two, the states are finished by the aggregation itself, each state that occurs once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np

from batch_layer.preparation.covers import Array, Column, Cover, States

if TYPE_CHECKING:
    from lambda_core.features.aggregations import (
        Aggregation,
        CellShare,
        DecayedSum,
        Distinct,
        Histogram,
        LastN,
    )

_AT_ONCE = 64
"""Registers whose states are kept at the same time: what bounds the memory is 2 bytes a place for each of them."""


def histograms(aggregation: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    """Return how many of each asker's events lie in each cell: `cells`, one row an asker."""
    histogram = cast("Histogram", aggregation)
    of = (histogram.cells.of(value) if there else -1 for value, there in zip(*_plain(column), strict=True))
    cell_of = np.fromiter(of, dtype=np.int64, count=len(column.values))
    counts = [
        cover.reduce(Column((cell_of == cell).astype(np.int64), column.present), np.add, 0)
        for cell in range(histogram.width)
    ]
    return {"n": n, "cells": np.stack(counts, axis=1)}


def finish_share(answer: Aggregation, states: States, _: Array) -> Column:
    """Return the share of one cell."""
    cell = cast("CellShare", answer).cell
    return Column(states["cells"][:, cell] / np.maximum(states["n"], 1), states["n"] > 0)


def last_events(aggregation: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    """Return the moments and values of each asker's last events: `events`, a tuple an asker, as the state has them."""
    last = cast("LastN", aggregation).last
    found: Array = np.full(cover.askers, None, dtype=object)
    there = np.flatnonzero(column.present)
    values, _ = _plain(column)
    begins = cover.begins.tolist()
    for begin, end in zip(begins, [*begins[1:], len(cover.asker)], strict=False):
        places: list[int] = []
        for first, beyond in sorted(map(cover.leaves, cover.node[begin:end]), reverse=True):
            low, high = np.searchsorted(there, (first, beyond))
            places += there[low:high][::-1][: last - len(places)].tolist()
        events = tuple((int(cover.event_time_ms[place]), 0, 0, values[place]) for place in places)
        found[cover.asker[begin]] = events or None
    return {"n": n, "events": found}


def registers(aggregation: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    """Return how many registers of each asker have each rank: `ranks`, one row an asker (rank 0: nothing seen)."""
    distinct = cast("Distinct", aggregation)
    there = np.flatnonzero(column.present)
    known: dict[Any, tuple[int, int]] = {}
    values = column.values[there].tolist()
    places = np.array([known.get(v) or known.setdefault(v, distinct.place(v)) for v in values], dtype=np.int64)
    register, rank = places.reshape(-1, 2).T
    used, own = np.unique(register, return_inverse=True)
    counts = np.zeros((cover.askers, distinct.ranks), dtype=np.int64)
    for first in range(0, len(used), _AT_ONCE):
        width = min(_AT_ONCE, len(used) - first)
        inside = (own >= first) & (own < first + width)
        tree = np.zeros((2 * cover.size, width), dtype=np.uint8)
        tree[cover.size + there[inside], own[inside] - first] = rank[inside]
        size = cover.size
        while size > 1:
            np.maximum(tree[size : 2 * size : 2], tree[size + 1 : 2 * size : 2], out=tree[size // 2 : size])
            size //= 2
        greatest = cover.gathered(tree[cover.node], np.maximum, 0)
        for each in np.unique(greatest[greatest > 0]):
            counts[:, each] += (greatest == each).sum(axis=1)
    counts[:, 0] = distinct.registers - counts.sum(axis=1)
    return {"n": n, "ranks": counts}


def decayed_sums(aggregation: Aggregation, column: Column, cover: Cover, n: Array) -> States:
    """Return each asker's newest event time and the sum as of then: `time`, `total`."""
    decayed = cast("DecayedSum", aggregation)
    values = column.values / 10**decayed.number.scale if decayed.number.exact else column.values
    total = Column(values, column.present).tree(cover.size, np.add, 0.0)
    time = Column(cover.event_time_ms.astype(np.float64), column.present).tree(cover.size, np.maximum, -np.inf)
    with np.errstate(all="ignore"):
        size = cover.size
        while size > 1:
            here, left, right = slice(size // 2, size), slice(size, 2 * size, 2), slice(size + 1, 2 * size, 2)
            total[here] = sum(_as_of(time[here], time[side], total[side], decayed) for side in (left, right))
            size //= 2
        newest = cover.gathered(time[cover.node], np.maximum, -np.inf)
        parts = _as_of(newest[cover.asker], time[cover.node], total[cover.node], decayed)
    return {"n": n, "time": newest, "total": cover.gathered(parts, np.add, 0.0)}


def _as_of(then: Array, time: Array, total: Array, decayed: DecayedSum) -> Array:
    """Return sums as of a later moment; 0 for the sum of nothing."""
    return np.where(np.isneginf(time), 0.0, total * np.exp2((time - then) / decayed.half_life_ms))


def finish_decayed(answer: Aggregation, states: States, t_ms: Array) -> Column:
    """Return the sums as of each asker's t."""
    decayed = cast("DecayedSum", answer)
    values = states["total"] * np.exp2((states["time"] - t_ms) / decayed.half_life_ms) + 0.0
    fresh = np.ones(len(t_ms), dtype=bool)
    if decayed.expiry_ms is not None:
        fresh = t_ms - states["time"] <= decayed.expiry_ms
    return Column(values, (states["n"] > 0) & np.isfinite(values) & fresh)


def finish_one_by_one(answer: Aggregation, states: States, t_ms: Array) -> Column:
    """Return what the aggregation's own `finish` makes of every state; of equal ones that do not grow old, once."""
    found: Array = np.full(len(t_ms), None, dtype=object)
    if "events" in states:
        for place, (events, t) in enumerate(zip(states["events"], t_ms.tolist(), strict=True)):
            found[place] = answer.finish(events, t)
    elif "ranks" in states:
        for ranks, places in _equal(states["ranks"]):
            found[places] = cast("Distinct", answer).estimate(ranks)
    else:
        for cells, places in _equal(states["cells"]):
            value = answer.finish(tuple(cells) if any(cells) else None)
            for place in places:
                found[place] = value
    present = np.array([value is not None for value in found], dtype=bool)
    if answer.gives_list:
        return Column(found, present)
    kind = np.int64 if answer.gives == "integer" else np.float64
    return Column(np.where(present, found, 0).astype(kind), present)


def _equal(rows: Array) -> list[tuple[list[int], Array]]:
    """Return each row that occurs, and the places where it does."""
    if not len(rows):
        return []
    unique, own = np.unique(rows, axis=0, return_inverse=True)
    order = np.argsort(own.reshape(-1), kind="stable")
    ends = np.cumsum(np.bincount(own.reshape(-1), minlength=len(unique)))
    return list(zip(unique.tolist(), np.split(order, ends[:-1]), strict=True))


def _plain(column: Column) -> tuple[list[Any], list[bool]]:
    return column.values.tolist(), column.present.tolist()
