"""The scored vectors beside the training table's rows of the same departures, with a reason for each that differs.

A training row sees all that happened before t; an answer sees what had been applied when it was asked. So a scored
vector may differ, and then for one of these reasons:

    in_flight   events before t had not been applied yet: with them, the plain formula gives the training row
    edge        the answer says that it took a tile whole
    no_view     a lower rung of the ladder answered
    copy        the message was a declared duplicate: it has no training row of its own
    unexplained anything else; there must be none
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
import polars as pl

from demo.oracle.comparing import EXAMPLES, FROM_VIEWS, Difference, Oracle, differing, reaches_of


@dataclass
class TrainingComparison:
    """Scored vectors by how they relate to the training table.

    Attributes:
        compared: scores with a training row; equal: those whose every value is equal; reasons: the others, by reason.
        rows_differing: training rows that are not what the plain formula over all events before t gives.
    """

    compared: int = 0
    equal: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    rows_differing: int = 0
    examples: list[Difference] = field(default_factory=list)


def compare_training(
    oracle: Oracle, scores: Iterable[bytes | dict[str, Any]], rows: pl.DataFrame
) -> TrainingComparison:
    """Return how scored vectors relate to training rows (one row a `prediction_key`, the vector's columns)."""
    found = TrainingComparison()
    columns = [name for name in rows.columns if name != "prediction_key"]
    by_id = {row["prediction_key"]: row for row in rows.iter_rows(named=True)}
    for entry in scores:
        score = entry if isinstance(entry, dict) else orjson.loads(entry)
        event = oracle.event(score["prediction_id"])
        row = by_id.get(score["prediction_id"])
        if event is None or row is None:
            copy = event is not None and event["duplicate"] is not None
            found.reasons["copy" if copy else "unexplained"] += 1
            continue
        _compare_one(oracle, score, event, {name: _plain(row[name]) for name in columns}, found)
    return found


def _compare_one(
    oracle: Oracle, score: dict[str, Any], event: dict[str, Any], row: Mapping[str, Any], found: TrainingComparison
) -> None:
    found.compared += 1
    everything = oracle.expected(event, None).values
    row = {name: row.get(name) for name in everything}
    wrong = differing(everything, row)
    found.rows_differing += bool(wrong)
    room = EXAMPLES - len(found.examples)
    found.examples += [Difference(score["prediction_id"], what, *pair) for what, pair in list(wrong.items())[:room]]
    unequal = differing(row, {name: score["answer"]["values"].get(name) for name in row})
    if not unequal:
        found.equal += 1
    else:
        found.reasons[_reason(oracle, score["answer"], event, set(unequal))] += 1


def _reason(oracle: Oracle, answer: dict[str, Any], event: dict[str, Any], unequal: set[str]) -> str:
    if answer["source"] not in FROM_VIEWS:
        return "no_view"
    if any(group.get("edge") for group in answer["groups"].values()):
        return "edge"
    unseen = oracle.expected(event, reaches_of(answer)).unseen_groups
    groups = {name.split("__")[0] for name in unequal}
    return "in_flight" if groups <= unseen else "unexplained"


def _plain(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value
