"""The evaluation flow: held-out rows and models meet in Spark tasks; figures and a verdict come back."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.evaluation.gate import reasons
from batch_layer.evaluation.judging import JUDGED_SCHEMA, judge_partition
from batch_layer.evaluation.metrics import Resampling
from batch_layer.evaluation.plots import draw
from batch_layer.modelling import labelled_rows, latest_run, run_models
from lambda_core.schemas import tables
from lambda_core.schemas.tables import VERDICTS_SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext
    from lambda_core.repositories.registry import Version


@dataclass(frozen=True)
class EvaluationReport:
    """What a candidate showed.

    Attributes:
        version: the version in the registry. champion: the version it was compared with, if any.
        promoted: whether it may be deployed. refusals: partition -> what speaks against it, where anything does.
        figures: partition -> figure -> value (see `metrics` and `judging`).
    """

    model: str
    run_id: str
    version: str
    champion: str | None
    promoted: bool
    refusals: dict[str, list[str]]
    figures: dict[str, dict[str, float]]


def evaluate(context: RunContext, model: str, run_id: str | None = None) -> EvaluationReport:
    """Judge a training run (default: the newest) against its baseline and the champion, and record the verdict.

    A partition without a held-out row is refused; a version is promoted as a whole.

    Raises:
        DataError: when there is no such run.
    """
    run_id = run_id or latest_run(context, model)
    champion = context.registry.champion(model)
    if champion is not None and champion.run_id == run_id:
        champion = None
    judged = _judge(context, model, run_id, champion).collect()  # one small row a partition
    gate = context.project.models[model].gate
    figures = {row["partition_key"]: json.loads(row["figures"]) for row in judged}
    found = {row["partition_key"]: reasons(row["rows"], figures[row["partition_key"]], gate) for row in judged}
    refusals = {partition: against for partition, against in found.items() if against}
    compared = champion.version if champion and any("champion_auc" in one for one in figures.values()) else None
    version = _register(context, model, run_id, judged)
    promoted = not refusals or not gate.blocking
    report = EvaluationReport(model, run_id, version, compared, promoted, refusals, figures)
    _record(context, report, {row["partition_key"]: row["rows"] for row in judged})
    context.log.info("candidate judged", version=version, promoted=promoted, refusals=refusals)
    return report


def _judge(context: RunContext, model: str, run_id: str, champion: Version | None) -> DataFrame:
    """Return one row a partition of the run: JUDGED_SCHEMA."""
    declared = context.project.models[model]
    names = context.definition.vector_names(declared.feature_set)
    models = run_models(context, model, run_id).select(
        "partition_key", "inputs", F.col("content").alias("candidate"), "baseline"
    )
    if champion is not None:
        old = run_models(context, model, champion.run_id).select(
            "partition_key", F.col("inputs").alias("champion_inputs"), F.col("content").alias("champion")
        )
        models = models.join(old, "partition_key", "left")
    else:
        models = models.selectExpr("*", "cast(null as array<string>) champion_inputs", "cast(null as binary) champion")
    how = Resampling(declared.gate.resamples, declared.gate.confidence, declared.seed)
    rows = labelled_rows(context, model, "test")
    grouped = rows.groupBy("partition_key").cogroup(models.groupBy("partition_key"))
    return grouped.applyInPandas(lambda asked, made: judge_partition(asked, made, names, how), JUDGED_SCHEMA)


def _register(context: RunContext, model: str, run_id: str, judged: list[Any]) -> str:
    """Give the run its figures, pictures and artefacts, and a version; return the version."""
    metrics = {
        re.sub(r"[^\w\-. :/]", "_", f"{name}.{row['partition_key']}"): value
        for row in judged
        for name, value in json.loads(row["figures"]).items()
    }
    curves = {row["partition_key"]: json.loads(row["curves"]) for row in judged}
    contents = run_models(context, model, run_id).select("partition_key", "content").toLocalIterator()
    # Quoted, and behind a prefix: a partition's key is data, and must not choose a path.
    files = {f"model/partition={quote(key, safe='')}.onnx": bytes(content) for key, content in contents}
    context.registry.record(run_id, metrics, {**files, **draw(curves, model)})
    context.registry.finish(run_id, succeeded=True)
    return context.registry.register(model, run_id).version


def _record(context: RunContext, report: EvaluationReport, rows: dict[str, int]) -> None:
    split_id = run_models(context, report.model, report.run_id).agg(F.max("split_id")).first()
    verdicts = [
        {
            "run_id": report.run_id,
            "model": report.model,
            "partition_key": partition,
            "version": report.version,
            "champion": report.champion,
            "split_id": split_id[0] if split_id else None,
            "promoted": report.promoted,
            "reasons": report.refusals.get(partition, []),
            "rows": rows[partition],
            "figures": json.dumps(figures, sort_keys=True),
            "judged_ms": context.clock.now_ms(),
        }
        for partition, figures in report.figures.items()
    ]
    frame = context.spark.createDataFrame(verdicts, VERDICTS_SCHEMA)
    context.tables.append(tables.verdicts(report.model), frame)
