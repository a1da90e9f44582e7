"""Gives every labelled training row its split, checks that no training label reaches into the test, records it."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.strategy import TEST, TRAIN, Strategy
from lambda_core.errors import ConfigError, GuardError
from lambda_core.schemas import tables
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.config.project import Model
    from lambda_core.context import RunContext


@dataclass(frozen=True)
class SplitCount:
    """Rows of one split and partition, and how many of them have the label 1."""

    split: str
    partition: str
    rows: int
    positives: int


@dataclass(frozen=True)
class SegregationReport:
    """The recorded split: its id, the training table's version it was made from, and its counts."""

    model: str
    split_id: str
    training_version: int
    version: int
    counts: tuple[SplitCount, ...]
    unlabelled: int


def segregate(context: RunContext, model: str) -> SegregationReport:
    """Record the split of a model's labelled training rows.

    Raises:
        ConfigError: when the strategy or its parameters make no sense.
        GuardError: when a training row's label was still open when the test began, or a split is empty.
    """
    declared = context.project.models[model]
    delay_ms = context.project.labels[declared.label].delay_ms
    strategy = _strategy(declared, model, delay_ms)
    name = tables.training(declared.feature_set)
    training_version = context.tables.version(name)
    rows = context.tables.read(name, training_version)
    assigned = rows.withColumn("split", F.expr(strategy.split_sql())).where("split is not null")
    labelled = assigned.where("label is not null")
    _refuse_leaks(labelled, model, strategy.test_from_ms(), delay_ms)
    split_id = content_id(context.definition.id, declared.split.model_dump_json(), delay_ms, name, training_version)
    version = context.tables.replace(
        tables.split(model), labelled.select("prediction_key", "split", F.lit(split_id).alias("split_id"))
    )
    counts = _counts(labelled, declared.partition_by)
    _refuse_empty(counts, model)
    unlabelled = assigned.where("label is null").count()
    context.log.info("split recorded", model=model, split_id=split_id, unlabelled=unlabelled)
    return SegregationReport(model, split_id, training_version, version, counts, unlabelled)


def _strategy(model: Model, name: str, delay_ms: int) -> Strategy:
    from batch_layer.segregation import STRATEGIES  # the menu imports this module

    chosen = STRATEGIES.get(model.split.strategy) or _own(model.split.strategy, f"models.{name}.split.strategy")
    try:
        return chosen(delay_ms, **model.split.parameters)
    except TypeError as error:
        raise ConfigError(
            f"models.{name}.split.parameters: expected those of {chosen.__name__}, found: {error}"
        ) from error


def _own(path: str, key: str) -> type[Strategy]:
    """Return a class by its dotted path."""
    module, _, attribute = path.rpartition(".")
    try:
        return cast("type[Strategy]", getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError, ValueError) as error:
        raise ConfigError(f"{key}: expected by_time or the dotted path of a class, found {path!r}: {error}") from error


def _refuse_leaks(labelled: DataFrame, model: str, test_from_ms: int, delay_ms: int) -> None:
    """Refuse a training row whose label may come, or came, when the test had begun.

    The declared delay is what the embargo rests on; outcomes that came later than declared show that it is too short.
    """
    open_then = f"t_ms + {delay_ms}L > {test_from_ms}L or label_known_ms >= {test_from_ms}L"
    leak = labelled.where(f"split = '{TRAIN}'").where(open_then).agg(F.count("*"), F.max("label_known_ms")).first()
    if leak and leak[0]:
        raise GuardError(
            f"model {model}: expected every training label to be known before the test begins ({test_from_ms}), found "
            f"{leak[0]} that were not, the last at {leak[1]}; declare a longer labels.*.delay or an earlier train end"
        )


def _refuse_empty(counts: tuple[SplitCount, ...], model: str) -> None:
    missing = {TRAIN, TEST} - {count.split for count in counts}
    if missing:
        raise GuardError(
            f"model {model}: expected labelled rows to train and to test on, found none for {' and '.join(sorted(missing))}; "
            "correct the moments in models.*.split.parameters"
        )


def _counts(labelled: DataFrame, partition_by: str) -> tuple[SplitCount, ...]:
    """Return one count a (split, partition): as many rows as there are models, not data."""
    partition = F.col(partition_by).cast("string").alias("partition")
    counted = labelled.groupBy("split", partition).agg(F.count("*").alias("rows"), F.sum("label").alias("positives"))
    found = counted.orderBy("split", "partition").toLocalIterator()
    return tuple(SplitCount(row["split"], row["partition"], row["rows"], int(row["positives"])) for row in found)
