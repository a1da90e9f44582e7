"""The training flow: train rows by partition into Spark tasks, models out of them into the candidates table."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.modelling import labelled_rows
from batch_layer.recorded_split import recorded_split
from batch_layer.selection.select import made_selections
from batch_layer.training.fitting import Plan, fit_partition
from lambda_core.errors import DataError
from lambda_core.schemas import tables
from lambda_core.schemas.tables import CANDIDATES_SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext

ATTEMPTS = 2
"""How often a partition is tried before the run fails."""


@dataclass(frozen=True)
class TrainingReport:
    """What a training run made.

    Attributes:
        run_id: in the registry, the candidates table and the manifest.
        partitions: for each, its training `rows`, `seconds` in its task and `bytes` of ONNX.
        selected: for each, the names of the values that its model takes.
    """

    model: str
    run_id: str
    split_id: str
    feature_set_id: str
    partitions: dict[str, dict[str, float]]
    selected: dict[str, list[str]]


def train(context: RunContext, model: str) -> TrainingReport:
    """Fit the model's candidate and its baseline, one a partition, on the split's train rows alone.

    Raises:
        ConfigError: when a selection or its parameters make no sense.
        DataError: when a partition cannot be fitted, there is nothing to fit, or the split is not what was recorded.
    """
    declared = context.project.models[model]
    made_selections(declared.select, model)
    rows = labelled_rows(context, model, "train")
    split_id = recorded_split(context, model)
    ids = {
        "model": model,
        "split_id": split_id,
        "feature_set_id": context.definition.feature_set_id(declared.feature_set),
        "definition_id": context.definition.id,
    }
    run_id = context.registry.begin(model, {**ids, **_parameters(context, model)})
    plan = Plan(
        context.definition.vector_names(declared.feature_set),
        declared.algorithm,
        declared.baseline,
        declared.seed,
        {**ids, "run_id": run_id, "made_ms": context.clock.now_ms()},
        attempt=1,
        select=declared.select,
    )
    try:
        made = _fit_all(context, rows, plan)
        if declared.select:
            context.registry.record(run_id, {}, {"selection.json": _selection(made)})
    except BaseException:  # whatever it was: evaluation ends the runs that have models, and no other
        context.registry.finish(run_id, succeeded=False)
        raise
    partitions = {key: {name: float(row[name]) for name in ("rows", "seconds", "bytes")} for key, row in made.items()}
    selected = {key: list(row["inputs"]) for key, row in made.items()}
    return TrainingReport(model, run_id, split_id, ids["feature_set_id"], partitions, selected)


def _fit_all(context: RunContext, rows: DataFrame, plan: Plan) -> dict[str, Any]:
    """Fit every partition, those that failed again; return what was made, by partition."""
    table = tables.candidates(str(plan.ids["model"]))
    failed: dict[str, str] = {}
    for attempt in range(1, ATTEMPTS + 1):
        wanted = rows.where(F.col("partition_key").isin(list(failed))) if failed else rows
        context.tables.append(table, _fitted(wanted, replace(plan, attempt=attempt)))
        made = {row["partition_key"]: row for row in _made(context, table, str(plan.ids["run_id"]))}
        failed = {key: row["error"] for key, row in made.items() if row["error"] is not None}
        context.log.info("partitions fitted", attempt=attempt, fitted=len(made) - len(failed), failed=failed)
        if not failed:
            break
    if failed or not made:
        raise DataError(
            f"model {plan.ids['model']}: expected a model of every partition after {ATTEMPTS} attempts; "
            f"failed: {failed or 'no training row has an outcome and a partition'}"
        )
    return made


def _selection(made: dict[str, Any]) -> bytes:
    """Return the JSON of what each partition's model takes, and of what every value scored."""
    chosen = {key: {"inputs": list(row["inputs"]), "scores": json.loads(row["scores"])} for key, row in made.items()}
    return json.dumps(chosen, indent=1).encode()


def _fitted(rows: DataFrame, plan: Plan) -> DataFrame:
    """Return one row a partition: CANDIDATES_SCHEMA. A plain lambda: Spark warns of a partial's missing annotations."""
    return rows.groupBy("partition_key").applyInPandas(lambda frame: fit_partition(frame, plan), CANDIDATES_SCHEMA)


def _made(context: RunContext, table: str, run_id: str) -> list[Any]:
    """Return one small row a partition: its latest attempt, without the bytes."""
    run = context.tables.read(table).where(F.col("run_id") == run_id)
    scores = F.get_json_object("reference", "$.scores").alias("scores")
    kept = ("error", "rows", "seconds", "bytes", "inputs", "scores")
    return (
        run.select("*", F.length("content").alias("bytes"), scores)
        .groupBy("partition_key")
        .agg(F.max_by(F.struct(*kept), "attempt").alias("last"))
        .select("partition_key", "last.*")
        .orderBy("partition_key")
        .collect()
    )


def _parameters(context: RunContext, model: str) -> dict[str, Any]:
    declared = context.project.models[model]
    return {
        "mainstem_run": context.run_id,
        "seed": declared.seed,
        "algorithm": declared.algorithm.strategy,
        "baseline": declared.baseline.strategy,
        "split": declared.split.strategy,
        **({"select": ", ".join(choice.strategy for choice in declared.select)} if declared.select else {}),
        **{f"algorithm.{name}": value for name, value in declared.algorithm.parameters.items()},
    }
