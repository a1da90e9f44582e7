"""Training rows: what was known when each event asked, and what came of it.

One row an event that asks (accepted, no duplicate, matching the feature set's `where`):

    prediction_key, t_ms     the asking event and its own time
    append_ms                when its record was appended
    <partition columns>      what the models of this feature set are parted by
    entities                 feature group -> canonical key of the asker's entity (null: it has none)
    <the vector>             request features by their expressions, the windowed features as of t, what is made of both
    label, label_known_ms    the outcome, and the event time of the event that told it; null where there is none (yet)

No future: a windowed feature sees events strictly before t; where a source is known by append time, only those that
were appended by t as well. The label is joined to the finished row and feeds no feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.modelling import other_vector
from batch_layer.preparation.kernel import windowed
from batch_layer.preparation.transforming import transformed
from batch_layer.preparation.windowing import key_texts, reach_ms, windowed_frame
from lambda_core.errors import ConfigError, GuardError
from lambda_core.features.keys import entity_key_sql
from lambda_core.features.requests_sql import request_feature_sql
from lambda_core.features.states_sql import COUNTED
from lambda_core.schemas import tables
from lambda_core.schemas.ids import prediction_id_sql

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from batch_layer.preparation.windowing import Answer
    from lambda_core.config.project import Label
    from lambda_core.context import RunContext
    from lambda_core.features.definition import FeatureGroup

PLACE = ["partition", "offset"]


@dataclass(frozen=True)
class TrainingRowsReport:
    """What was written: rows, how many of them have a label, and the table's version."""

    feature_set: str
    feature_set_id: str
    rows: int
    labelled: int
    version: int


def build_training_rows(
    context: RunContext, feature_set: str, from_ms: int | None = None, until_ms: int | None = None
) -> TrainingRowsReport:
    """Write the training rows of a feature set, of the askers with t in `[from_ms, until_ms)` (None: no bound).

    They take the place of the table's rows with t between these bounds; the others stay. A row depends on events before
    its t alone, so that after new events it is enough to write the rows from the first of them on.

    Raises:
        GuardError: when rows that would stay are of another vector than the feature set's as it is declared now.
    """
    name, vector = tables.training(feature_set), context.definition.feature_set_id(feature_set)
    is_part = (from_ms, until_ms) != (None, None) and context.tables.exists(name)
    another = other_vector(context, feature_set) if is_part else None
    if another is not None:
        raise GuardError(
            f"table {name}: expected rows of vector {vector} to write others beside, found those of {another}; write all "
            "of them: mainstem batch run training_rows"
        )
    rows = training_rows(context, feature_set, from_ms, until_ms)
    bounds = [f"t_ms >= {from_ms}L"] if from_ms is not None else []
    bounds += [f"t_ms < {until_ms}L"] if until_ms is not None else []
    version = context.tables.replace(name, rows, " and ".join(bounds) or None, note=vector)
    counted = context.tables.read(name, version).agg(F.count("*"), F.count("label")).first()
    n_rows, labelled = (int(counted[0]), int(counted[1])) if counted else (0, 0)
    context.log.info("training rows written", feature_set=feature_set, rows=n_rows, labelled=labelled)
    return TrainingRowsReport(feature_set, vector, n_rows, labelled, version)


def training_rows(
    context: RunContext, feature_set: str, from_ms: int | None = None, until_ms: int | None = None
) -> DataFrame:
    """Return one row an asking event with t in `[from_ms, until_ms)`, as the module says; nothing is written.

    Raises:
        ConfigError: when models of one feature set have different labels, or a partition column hides a feature.
    """
    rows = asking_rows(context, feature_set, from_ms, until_ms)
    for name in context.definition.feature_set(feature_set).groups:
        group = context.definition.groups[name]
        oldest_ms = None if from_ms is None else from_ms - reach_ms(group)
        rows = group_rows(context, group, rows, _between(counted_events(context, group), oldest_ms, until_ms))
    return transformed(_labelled(context, feature_set, rows), context.definition.series.get(feature_set))


def asking_rows(
    context: RunContext, feature_set: str, from_ms: int | None = None, until_ms: int | None = None
) -> DataFrame:
    """Return one row an asker with t in `[from_ms, until_ms)`: its place, t, partitions, request, entities.

    The key of each entity of its groups stands there as texts (`windowing.key_texts`).
    """
    declared = context.definition.feature_set(feature_set)
    asked = context.tables.read(tables.prepared(declared.asked_by)).where(COUNTED).where(f"({declared.where})")
    asked = _between(asked, from_ms, until_ms)
    keys = {text: key for name in declared.groups for text, key in key_texts(context.definition.groups[name]).items()}
    request = [F.expr(request_feature_sql(feature)).alias(name) for name, feature in declared.request_features.items()]
    return asked.select(
        *PLACE,
        F.col("event_time_ms").alias("t_ms"),
        F.col("append_time_ms").alias("append_ms"),
        *_partition_columns(context, feature_set),
        *request,
        *(F.col(key).cast("string").alias(text) for text, key in keys.items()),
        *(F.col(column).alias(f"_join_{column}") for column in _join_columns(context, feature_set)),
    )


def counted_events(context: RunContext, group: FeatureGroup) -> DataFrame:
    """Return one row an event of the group's source that counts."""
    return context.tables.read(tables.prepared(group.source)).where(COUNTED)


def group_rows(
    context: RunContext, group: FeatureGroup, askers: DataFrame, events: DataFrame, answer: Answer = windowed
) -> DataFrame:
    """Return one row an asker, with all that it had, and the group's features as `answer` gives them."""
    by_append = context.project.sources[group.source].known_by == "append_time"
    return windowed_frame(group, askers, events, answer, by_append=by_append)


def _between(rows: DataFrame, from_ms: int | None, until_ms: int | None) -> DataFrame:
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


def _entities(context: RunContext, feature_set: str) -> Column:
    """Return the column `entities`: feature group -> canonical key of the asker's entity."""
    groups = [context.definition.groups[name] for name in context.definition.feature_set(feature_set).groups]
    pairs = ", ".join(f"'{group.name}', {entity_key_sql(list(key_texts(group)))}" for group in groups)
    return F.expr(f"cast(map({pairs}) as map<string,string>)").alias("entities")


def _labelled(context: RunContext, feature_set: str, rows: DataFrame) -> DataFrame:
    """Return the rows with the first outcome that says something, by event time and position."""
    label = _label(context, feature_set)
    vector = context.definition.read_names(feature_set)
    topic = context.project.sources[context.definition.feature_set(feature_set).asked_by].topic
    kept = [
        F.expr(prediction_id_sql(topic)).alias("prediction_key"),
        *(F.col(name) for name in ("t_ms", "append_ms", *_partition_columns(context, feature_set))),
        _entities(context, feature_set),
        *(F.col(name) for name in vector),
    ]
    if label is None:
        return rows.select(*kept, F.expr("cast(null as int) label"), F.expr("cast(null as bigint) label_known_ms"))
    outcomes = context.tables.read(tables.prepared(label.source)).where(COUNTED)
    told = outcomes.select(
        *(F.col(column).alias(f"_join_{column}") for column in label.join),
        *("event_time_ms", "partition", "offset"),
        F.expr(label.value).cast("int").alias("label"),
    ).where("label is not null")
    first = F.min(F.struct("event_time_ms", "partition", "offset", "label")).alias("_first")
    one = told.groupBy(*(f"_join_{column}" for column in label.join)).agg(first)
    joined = rows.join(one, [f"_join_{column}" for column in label.join], "left")
    return joined.select(
        *kept, F.col("_first.label").alias("label"), F.col("_first.event_time_ms").alias("label_known_ms")
    )
