"""What training, evaluation, deployment and batch scoring read alike: vectors with outcomes, and a run's models."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.errors import DataError, GuardError
from lambda_core.schemas import tables

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from lambda_core.context import RunContext


def labelled_rows(context: RunContext, model: str, part: str) -> DataFrame:
    """Return one row an asking event with an outcome, of one part of the split (`train`, `test`).

    Its columns: `partition_key`, `prediction_key`, `label` (0 or 1), and the vector's values by name, as doubles.

    Raises:
        GuardError: when the rows are another vector's.
    """
    declared = context.project.models[model]
    rows = vectors(context, declared.feature_set)
    wanted = context.tables.read(tables.split(model)).where(F.col("split") == part).select("prediction_key")
    return (
        rows.where(F.col("label").isNotNull() & F.col(declared.partition_by).isNotNull())
        .join(wanted, "prediction_key", "left_semi")
        .select(
            F.col(declared.partition_by).cast("string").alias("partition_key"),
            "prediction_key",
            F.col("label").cast("double").alias("label"),
            *vector_columns(context, model),
        )
    )


def vectors(context: RunContext, feature_set: str) -> DataFrame:
    """Return the training rows of a vector as it is declared now.

    Raises:
        GuardError: when they were written as another vector: what learns from them would be asked about something else.
    """
    name = tables.training(feature_set)
    rows, another = context.tables.read(name), other_vector(context, feature_set)
    if another is not None:
        wanted = context.definition.feature_set_id(feature_set)
        raise GuardError(
            f"table {name}: expected rows of vector {wanted}, as {feature_set} is declared, found those of {another}; "
            "run: mainstem batch run training_rows segregation"
        )
    return rows


def other_vector(context: RunContext, feature_set: str) -> str | None:
    """Return the id of the vector that the table of training rows was written as; None where it is the declared one's.

    None, too, where the table says none: it was written by other means than the stage, or before there were notes.
    """
    written = context.tables.note(tables.training(feature_set))
    return None if written == context.definition.feature_set_id(feature_set) else written


def vector_columns(context: RunContext, model: str) -> list[Column]:
    """Return the vector's values in order, as doubles; null where there is none."""
    names = context.definition.vector_names(context.project.models[model].feature_set)
    return [F.col(f"`{name}`").cast("double").alias(name) for name in names]


def run_models(context: RunContext, model: str, run_id: str) -> DataFrame:
    """Return one row a partition of a training run: its fitted model (CANDIDATES_SCHEMA)."""
    return context.tables.read(tables.candidates(model)).where((F.col("run_id") == run_id) & F.col("error").isNull())


def latest_run(context: RunContext, model: str) -> str:
    """Return the id of the newest complete training run.

    Raises:
        DataError: when there is none.
    """
    runs = context.tables.read(tables.candidates(model)).groupBy("run_id")
    attempts = runs.agg(
        F.max("made_ms").alias("made_ms"),
        F.count_distinct("partition_key").alias("tried"),
        F.count_distinct(F.when(F.col("error").isNull(), F.col("partition_key"))).alias("fitted"),
    )
    newest = attempts.where("tried = fitted").orderBy(F.desc("made_ms"), F.desc("run_id")).first()
    if newest is None:
        raise DataError(
            f"{tables.candidates(model)}: expected a complete training run, found none; run: mainstem batch run training"
        )
    return str(newest["run_id"])
