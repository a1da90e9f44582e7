"""What a Spark task does with the held-out rows of one partition: ask every model, work out figures and curves."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pandas as pd

from batch_layer.evaluation.metrics import Resampling, compare, curves, figures
from lambda_core.models.scoring import OnnxScorer

JUDGED_SCHEMA = "partition_key string, rows bigint, figures string, curves string"
"""One row a partition; `figures` and `curves` (model -> kind -> points) are JSON."""

KINDS = ("candidate", "baseline", "champion")


def judge_partition(rows: pd.DataFrame, models: pd.DataFrame, names: list[str], how: Resampling) -> pd.DataFrame:
    """Return the figures of one partition.

    Args:
        rows: one row a held-out event: `partition_key`, `prediction_key`, `label`, the vector's values.
        models: one row: `partition_key`, the ONNX bytes `candidate`, `baseline`, `champion` (null: none), and the names
            of the values that candidate and champion take, `inputs` and `champion_inputs`. The baseline takes all. A
            champion that takes a value of another vector cannot be asked, and is left out.
        names: names of the vector's values, in order.
        how: how intervals are made.
    """
    if models.empty:
        return pd.DataFrame(columns=["partition_key", "rows", "figures", "curves"])
    # The order decides which rows a seed draws, and Spark's shuffle keeps none.
    ordered = rows.sort_values("prediction_key", kind="stable")
    labels = ordered["label"].to_numpy(dtype=np.float64)
    matrix = ordered[names].to_numpy(dtype=np.float64).astype(np.float32)
    row = models.iloc[0]
    asked = {
        kind: _ask(row[kind], matrix[:, [names.index(name) for name in taken]])
        for kind, taken in zip(KINDS, (row["inputs"], names, row["champion_inputs"]), strict=True)
        if isinstance(row[kind], bytes | bytearray) and set(taken) <= set(names)
    }
    judged = {
        "partition_key": row["partition_key"],
        "rows": len(rows),
        "figures": json.dumps(_figures(labels, asked, how) if len(rows) else {}),
        "curves": json.dumps({kind: curves(labels, found) for kind, found in asked.items()} if len(rows) else {}),
    }
    return pd.DataFrame([judged])


def _ask(content: bytes, matrix: Any) -> Any:
    return OnnxScorer(bytes(content)).score_matrix(matrix) if len(matrix) else np.empty(0)


def _figures(labels: Any, asked: dict[str, Any], how: Resampling) -> dict[str, float]:
    """Return the candidate's figures, the others' under their prefix, and the differences with their intervals."""
    found = {"positives": float(labels.sum()), **figures(labels, asked["candidate"])}
    for kind in KINDS[1:]:
        if kind in asked:
            found |= {f"{kind}_{name}": value for name, value in figures(labels, asked[kind]).items()}
            prefix = "" if kind == "baseline" else "champion_"
            differences = compare(labels, asked["candidate"], asked[kind], how)
            found |= {f"{prefix}{name}": value for name, value in differences.items()}
    return found
