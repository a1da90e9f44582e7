"""Who asks for training rows, and what came of it: rows of prepared tables, before any group has answered them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.finishing import Finish
from batch_layer.preparation.routing import key_columns
from lambda_core.cleaning.references import with_references
from lambda_core.errors import ConfigError
from lambda_core.features.keys import entity_key_sql
from lambda_core.features.requests_sql import request_feature_sql
from lambda_core.features.states_sql import COUNTED
from lambda_core.schemas import tables
from lambda_core.schemas.ids import prediction_id_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.config.project import Label
    from lambda_core.context import RunContext
    from lambda_core.features.definition import FeatureGroup

PLACE = ["partition", "offset"]


def asking_rows(
    context: RunContext, feature_set: str, from_ms: int | None = None, until_ms: int | None = None
) -> DataFrame:
    """Return one row an asker with t in `[from_ms, until_ms)`: its place, t, partitions, request, entities.

    By what its entities meet the groups' events stands there too (`routing.key_columns`).
    """
    declared = context.definition.feature_set(feature_set)
    groups = [context.definition.groups[name] for name in declared.groups]
    asked = context.tables.read(tables.prepared(declared.asked_by)).where(COUNTED).where(f"({declared.where})")
    keys = {name: key for group in groups for name, key in key_columns(group).items()}
    entities = {_entity(group): entity_key_sql(group.key_columns) for group in groups}
    request = {name: request_feature_sql(feature) for name, feature in declared.request_features.items()}
    return between(asked, from_ms, until_ms).select(
        *PLACE,
        F.col("event_time_ms").alias("t_ms"),
        F.col("append_time_ms").alias("append_ms"),
        *_partition_columns(context, feature_set),
        *(F.expr(sql).alias(name) for name, sql in (request | keys | entities).items()),
        *(F.col(column).alias(f"_join_{column}") for column in _join_columns(context, feature_set)),
    )


def labelled_askers(context: RunContext, feature_set: str, askers: DataFrame) -> DataFrame:
    """Return the askers with their key and, where they have a label, the first outcome that says something.

    First by event time and position.

    Raises:
        ConfigError: when models of one feature set have different labels.
    """
    label = _label(context, feature_set)
    topic = context.project.sources[context.definition.feature_set(feature_set).asked_by].topic
    keyed = askers.withColumn("prediction_key", F.expr(prediction_id_sql(topic))).drop(*PLACE)
    if label is None:
        return keyed
    outcomes = context.tables.read(tables.prepared(label.source)).where(COUNTED)
    joined_by = [f"_join_{column}" for column in label.join]
    told = outcomes.select(
        *(F.col(column).alias(name) for column, name in zip(label.join, joined_by, strict=True)),
        *("event_time_ms", "partition", "offset"),
        F.expr(label.value).cast("int").alias("label"),
    ).where("label is not null")
    first = F.min(F.struct("event_time_ms", "partition", "offset", "label")).alias("_first")
    joined = keyed.join(told.groupBy(*joined_by).agg(first), joined_by, "left")
    outcome = (F.col("_first.label").alias("label"), F.col("_first.event_time_ms").alias("label_known_ms"))
    return joined.select(*keyed.drop(*joined_by).columns, *outcome)


def read_sources(context: RunContext, feature_set: str) -> list[str]:
    """Return the sources whose rows decide training rows: who asks, what is aggregated, outcomes, and their references."""
    declared, label = context.definition.feature_set(feature_set), _label(context, feature_set)
    of_groups = [context.definition.groups[group].source for group in declared.groups]
    of_label = [label.source] if label else []
    return with_references(context.project, [declared.asked_by, *of_groups, *of_label])


def finish_of(context: RunContext, feature_set: str) -> Finish:
    """Return what makes training rows of a feature set's askers, once every group has answered them.

    Raises:
        ConfigError: when a partition column hides a feature.
    """
    groups = [context.definition.groups[name] for name in context.definition.feature_set(feature_set).groups]
    return Finish(
        first=("prediction_key", "t_ms", "append_ms", *_partition_columns(context, feature_set)),
        entities={group.name: _entity(group) for group in groups},
        vector=tuple(context.definition.read_names(feature_set)),
        series=context.definition.series.get(feature_set),
    )


def between(rows: DataFrame, from_ms: int | None, until_ms: int | None) -> DataFrame:
    """Return the rows with an event time in `[from_ms, until_ms)`; None: no bound."""
    rows = rows if from_ms is None else rows.where(F.col("event_time_ms") >= from_ms)
    return rows if until_ms is None else rows.where(F.col("event_time_ms") < until_ms)


def _partition_columns(context: RunContext, feature_set: str) -> list[str]:
    models = [model for model in context.project.models.values() if model.feature_set == feature_set]
    columns = list(dict.fromkeys(model.partition_by for model in models))
    hidden = set(columns) & set(context.definition.vector_names(feature_set))
    if hidden:
        raise ConfigError(
            f"feature_sets.{feature_set}.request_features: expected other names than those of the columns that models "
            f"are parted by; found {', '.join(sorted(hidden))}; give the request feature another name"
        )
    return columns


def _label(context: RunContext, feature_set: str) -> Label | None:
    models = [model for model in context.project.models.values() if model.feature_set == feature_set]
    names = sorted({model.label for model in models})
    if len(names) > 1:
        raise ConfigError(
            f"feature_sets.{feature_set}: expected one label for all of its models, found {', '.join(names)}; "
            "declare one feature set a label"
        )
    return context.project.labels[names[0]] if names else None


def _join_columns(context: RunContext, feature_set: str) -> tuple[str, ...]:
    label = _label(context, feature_set)
    return label.join if label else ()


def _entity(group: FeatureGroup) -> str:
    """Return the column with the canonical key of an asker's entity."""
    return f"_{group.entity}_key"
