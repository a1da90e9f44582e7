"""The batch scoring flow: asking events without a score yet, through the deployed version, into the score table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.modelling import vector_columns, vectors
from batch_layer.scoring.scoring_rows import Version, score_rows
from lambda_core.errors import GuardError
from lambda_core.models.deployed import load_model
from lambda_core.models.manifest import Manifest
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.schemas import tables
from lambda_core.schemas.tables import SCORES_SCHEMA

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext


@dataclass(frozen=True)
class ScoringReport:
    """How many events got their first score, by which version; `total` are the rows of the score table now."""

    model: str
    version: str
    added: int
    total: int


def score(context: RunContext, model: str, from_ms: int | None = None) -> ScoringReport:
    """Score every asking event at or after `from_ms` (default: all) that has no score yet.

    The first score of a prediction id stands, whoever made it; so a second run adds nothing. Events that the model
    learnt from are left out: their scores would say nothing.

    Raises:
        GuardError: when no version was ever deployed, or the table of training rows has another vector's.
        ArtefactError: when the deployed version is not what its manifest says.
    """
    version = _deployed(context, model)
    table, before = tables.scores(model), _count(context, model)
    asking = _asking(context, model)
    if from_ms is not None:
        asking = asking.where(F.col("t_ms") >= from_ms)
    if context.tables.exists(table):
        known = context.tables.read(table).select(F.col("prediction_id").alias("prediction_key"))
        asking = asking.join(known, "prediction_key", "left_anti")
    context.tables.append(table, asking.mapInPandas(lambda frames: score_rows(frames, version), SCORES_SCHEMA))
    total = _count(context, model)
    report = ScoringReport(model, Manifest.decode(version.manifest).version, total - before, total)
    context.log.info("events scored", **vars(report))
    return report


def _asking(context: RunContext, model: str) -> DataFrame:
    """Return one row an asking event that the model did not learn from: its key, partition, times, and vector."""
    declared = context.project.models[model]
    rows = vectors(context, declared.feature_set)
    trains = context.tables.read(tables.split(model)).where("split = 'train'").select("prediction_key", "split")
    return (
        rows.where(F.col(declared.partition_by).isNotNull())
        .join(trains, "prediction_key", "left")
        .where("split is null or label is null")  # without an outcome nothing was learnt from it
        .select(
            "prediction_key",
            F.col(declared.partition_by).cast("string").alias("partition_key"),
            "t_ms",
            "append_ms",
            *vector_columns(context, model),
        )
    )


def _deployed(context: RunContext, model: str) -> Version:
    """Return the version that answers, verified; its artefacts go to the tasks, which verify them again."""
    store = RedisModelStore(context.redis, context.keys)
    pointer = store.model_pointer(model)
    if pointer is None:
        raise GuardError(f"model {model}: expected a deployed version, found none; run the stage deployment")
    feature_set_id = context.definition.feature_set_id(context.project.models[model].feature_set)
    manifest = load_model(store, model, pointer.current, feature_set_id).manifest
    contents = {key: store.artefact(model, pointer.current, key) or b"" for key in manifest.partitions}
    return Version(manifest.encode(), contents, context.clock.now_ms())


def _count(context: RunContext, model: str) -> int:
    table = tables.scores(model)
    return context.tables.read(table).count() if context.tables.exists(table) else 0
