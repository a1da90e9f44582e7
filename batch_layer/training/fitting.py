"""What a Spark task does with the training rows of one partition: fit, export, check, hand over as one row."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from batch_layer.selection.select import select
from batch_layer.training.strategy import Fitted, TrainingRows
from lambda_core.errors import DataError, MainstemError
from lambda_core.models.artefact import TOLERANCE, sha256
from lambda_core.models.scoring import OnnxScorer
from lambda_core.strategies import build

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from lambda_core.config.project import Choice

REFERENCE_ROWS = 5
"""How many training rows a manifest carries with their predictions."""
_PLANTED = 500
"""How many rows are also asked with values taken out, so that missing ones are seen to go the same way."""

_REFUSALS = (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError, MemoryError)


@dataclass(frozen=True)
class Plan:
    """What every task of a training run needs to know.

    Attributes:
        names: names of the vector's values, in order.
        select: which of them the algorithm is given, worked out a partition from its own training rows.
        ids: the run's ids, by column of the candidates table.
        attempt: which attempt this is, from 1.
    """

    names: list[str]
    algorithm: Choice
    baseline: Choice
    seed: int
    ids: dict[str, Any]
    attempt: int
    select: tuple[Choice, ...] = ()


def fit_partition(frame: pd.DataFrame, plan: Plan) -> pd.DataFrame:
    """Return one row of the candidates table for the rows of one partition.

    Args:
        frame: one row an asking event: `partition_key`, `prediction_key`, `label` and the vector's values.
        plan: what every task needs to know.

    What the library, the data or a class of one's own refuses is written down in the row as its `error`, so that one
    partition's failure loses no other partition's model; the flow tries it again and then says so.
    """
    begin = time.perf_counter()
    row: dict[str, Any] = {**plan.ids, "attempt": plan.attempt, "partition_key": frame["partition_key"].iloc[0]}
    row |= {"inputs": plan.names, "rows": len(frame), "error": None}
    row |= dict.fromkeys(("sha256", "content", "baseline_sha256", "baseline", "reference"))
    try:
        row |= _fit(_rows(frame, plan.names), plan)
    except (MainstemError, *_REFUSALS) as error:
        row["error"] = f"{type(error).__name__}: {error}"
    row["seconds"] = time.perf_counter() - begin
    return pd.DataFrame([row])


def _rows(frame: pd.DataFrame, names: list[str]) -> TrainingRows:
    """Return the rows in an order that does not depend on how Spark shuffled them."""
    ordered = frame.sort_values("prediction_key", kind="stable")
    features = ordered[names].to_numpy(dtype=np.float64).astype(np.float32)
    return TrainingRows(names, features, ordered["label"].to_numpy(dtype=np.float64))


def _fit(rows: TrainingRows, plan: Plan) -> dict[str, Any]:
    from batch_layer.training import STRATEGIES  # the menu imports the flow, which imports this module

    if len(np.unique(rows.labels)) < 2:
        raise DataError(f"expected training rows of both labels, found {len(rows.labels)} rows of one")
    model = plan.ids["model"]
    narrowed = select(rows, plan.select, model)
    candidate = build(STRATEGIES, plan.algorithm, f"models.{model}.algorithm", "fit").fit(narrowed.rows, plan.seed)
    single = build(STRATEGIES, plan.baseline, f"models.{model}.baseline", "fit").fit(rows, plan.seed)
    content, baseline = _export(candidate, narrowed.rows.features), _export(single, rows.features)
    some = np.linspace(0, len(rows.labels) - 1, REFERENCE_ROWS).astype(int)
    reference = {
        "inputs": _plain(rows.features[some]),
        "predictions": candidate.predict(narrowed.rows.features[some]).tolist(),
        **({"scores": narrowed.scores} if plan.select else {}),
    }
    return {
        "inputs": narrowed.rows.names,
        "content": content,
        "sha256": sha256(content),
        "baseline": baseline,
        "baseline_sha256": sha256(baseline),
        "reference": json.dumps(reference),
    }


def _export(model: Fitted, features: NDArray[np.float32]) -> bytes:
    """Return the model as ONNX, seen to answer every training row, and rows with holes, as the library does.

    Raises:
        DataError: when any answer differs by more than the tolerance.
    """
    content = model.to_onnx()
    scorer = OnnxScorer(content)
    holes = features[:_PLANTED].copy()
    holes[np.random.default_rng(0).random(holes.shape) < 0.3] = np.nan
    for kind, asked in (("training rows", features), ("rows with missing values", holes)):
        distance = float(np.max(np.abs(model.predict(asked) - scorer.score_matrix(asked))))
        if not distance <= TOLERANCE:
            raise DataError(
                f"{type(model).__name__} as ONNX: expected the library's answers to {kind} within {TOLERANCE}, "
                f"found a difference of {distance}; this algorithm does not convert exactly"
            )
    return content


def _plain(matrix: NDArray[np.float32]) -> list[list[float | None]]:
    return [[None if np.isnan(value) else float(value) for value in row] for row in matrix]
