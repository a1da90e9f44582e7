"""A check to run on real tables: give sampled askers another future, and see that nothing in their rows changes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.asking import PLACE, asking_rows
from batch_layer.preparation.covers import Column
from batch_layer.preparation.kernel import Askers, Events, windowed
from batch_layer.preparation.routing import reach_ms
from batch_layer.preparation.training_rows import counted_events, group_rows

if TYPE_CHECKING:
    from pyspark.sql import Column as SqlColumn
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext
    from lambda_core.features.definition import FeatureGroup


@dataclass(frozen=True)
class NoFutureReport:
    """How many rows were tried, how many values of them compared, and how many of these differed."""

    rows: int
    values: int
    differences: int


def no_future_check(context: RunContext, feature_set: str, rows: int = 1_000, seed: int = 0) -> NoFutureReport:
    """Compare the windowed features of about `rows` askers with those under another future.

    For each asker alone, every event of its entity at or after t, or not known by t, gets other values and is moved to
    any time that is not seen either. Floating sums may move with the order of additions: they count as equal within
    1e-9 of the value.
    """
    askers = asking_rows(context, feature_set)
    total = askers.count()
    # A sample by hash of the position: the same in every evaluation of the plan.
    every = max(1, total // rows)
    sample = askers.where(F.pmod(F.xxhash64(*PLACE, F.lit(seed)), F.lit(every)) == 0)
    tried, values, differences = sample.count(), 0, 0
    for name in context.definition.feature_set(feature_set).groups:
        group = context.definition.groups[name]
        events = counted_events(context, group)
        before = group_rows(context, group, sample, events)
        after = group_rows(context, group, sample, events, _with_another_future)
        compared, differing = _compared(group, before, after)
        values, differences = values + compared, differences + differing
        context.log.info("future changed", group=name, values=compared, differences=differing)
    return NoFutureReport(tried, values, differences)


def other_future(events: Events, t_ms: int) -> Events:
    """Return the events with another future as seen from t."""
    unknown = np.zeros(len(events.event_time_ms), dtype=bool) if events.known_ms is None else events.known_ms > t_ms
    future = unknown | (events.event_time_ms >= t_ms)
    columns = {name: _other(column, future) for name, column in events.columns.items()}
    moved = np.where(future, np.maximum(t_ms, events.event_time_ms // 2 + t_ms // 2), events.event_time_ms)
    moved = np.where(unknown, t_ms - 1 - np.arange(len(moved)) % 7, moved)
    return replace(events, event_time_ms=moved, columns=columns)


def _other(column: Column, future: np.ndarray) -> Column:
    kind = column.values.dtype.kind
    other = np.full(len(column.values), "another", dtype=object) if kind == "O" else 31 - column.values // 2
    return Column(np.where(future, other, column.values), column.present | future)


def _with_another_future(group: FeatureGroup, events: Events, askers: Askers) -> dict[str, Column]:
    """Answer each asker alone, from its entity's events with another future."""
    order = np.argsort(events.entity, kind="stable")
    entities, reach = events.entity[order], reach_ms(group)
    answers = []
    for entity, t_ms in zip(askers.entity, askers.t_ms, strict=True):
        begin, end = np.searchsorted(entities, [entity, entity + 1])
        own = events.at(_reached(events, order[begin:end], t_ms, t_ms - reach))
        answers.append(windowed(group, other_future(own, int(t_ms)), Askers(np.array([entity]), np.array([t_ms]))))
    if not answers:
        return windowed(group, events, askers)
    return {
        name: Column(
            np.concatenate([answer[name].values for answer in answers]),
            np.concatenate([answer[name].present for answer in answers]),
        )
        for name in answers[0]
    }


def _reached(events: Events, places: np.ndarray, t_ms: int, oldest_ms: int) -> np.ndarray:
    """Return the places less those of events before every window of t, unless the event was not known by then."""
    beyond = events.event_time_ms[places] < oldest_ms
    if events.known_ms is not None:
        beyond &= events.known_ms[places] <= t_ms
    reached: np.ndarray = places[~beyond]
    return reached


def _compared(group: FeatureGroup, before: DataFrame, after: DataFrame) -> tuple[int, int]:
    """Return how many values were compared, and how many differ."""
    renamed = after.select(*PLACE, *(F.col(feature.name).alias(f"_{feature.name}") for feature in group.features))
    joined = before.join(renamed, PLACE, "full")
    same = [_same(feature.name, dict(before.dtypes)[feature.name]) for feature in group.features]
    differing = sum((F.when(one, 0).otherwise(1) for one in same), F.lit(0))
    found = joined.agg(F.count("*"), F.sum(differing)).first()
    rows, differences = (found[0], found[1] or 0) if found else (0, 0)
    return rows * len(group.features), int(differences)


def _same(name: str, kind: str) -> SqlColumn:
    left, right = F.col(name), F.col(f"_{name}")
    if kind != "double":
        return left.eqNullSafe(right)
    near = F.abs(left - right) <= F.abs(left) * 1e-9  # null where either is
    return left.eqNullSafe(right) | near
