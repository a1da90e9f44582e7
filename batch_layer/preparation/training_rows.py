"""Training rows: what was known when each event asked, and what came of it.

One row an event that asks (accepted, no duplicate, matching the feature set's `where`):

    prediction_key, t_ms     the asking event and its own time
    append_ms                when its record was appended
    <partition columns>      what the models of this feature set are parted by
    entities                 feature group -> canonical key of the asker's entity (null: it has none)
    <the vector>             request features by their expressions, the windowed features as of t, what is made of both
    label, label_known_ms    the outcome, and the event time of the event that told it; null where there is none (yet)

No future: a windowed feature sees events strictly before t; where a source is known by append time, only those that
were appended by t as well. The label is carried beside the row and feeds no feature.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, zip_longest
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.modelling import other_vector
from batch_layer.preparation.asking import asking_rows, between, finish_of, labelled_askers, read_sources
from batch_layer.preparation.gate import check_expectations
from batch_layer.preparation.kernel import windowed
from batch_layer.preparation.packets import tables_of
from batch_layer.preparation.routing import reach_ms
from batch_layer.preparation.training_files import WRITTEN, Writing, written
from batch_layer.preparation.windowing import (
    Asked,
    Kept,
    answered,
    answered_schema,
    as_rows,
    asked_of,
    asking_next,
    windowed_frame,
)
from lambda_core.errors import GuardError
from lambda_core.features.states_sql import COUNTED
from lambda_core.schemas import tables

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import pyarrow as pa
    from pyspark.sql import DataFrame
    from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it

    from batch_layer.preparation.windowing import Answer
    from lambda_core.context import RunContext
    from lambda_core.features.definition import FeatureGroup


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
        GateError: when rows of a source that decides them miss what is expected of them.
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
    if is_part:
        bounds = [f"t_ms >= {from_ms}L"] if from_ms is not None else []
        bounds += [f"t_ms < {until_ms}L"] if until_ms is not None else []
        rows = training_rows(context, feature_set, from_ms, until_ms)
        version = context.tables.replace(name, rows, " and ".join(bounds), note=vector)
        counted = context.tables.read(name, version).agg(F.count("*"), F.count("label")).first()
        n_rows, labelled = (int(counted[0]), int(counted[1])) if counted else (0, 0)
    else:
        version, n_rows, labelled = _write(context, feature_set, vector)
    context.log.info("training rows written", feature_set=feature_set, rows=n_rows, labelled=labelled)
    return TrainingRowsReport(feature_set, vector, n_rows, labelled, version)


def training_rows(
    context: RunContext, feature_set: str, from_ms: int | None = None, until_ms: int | None = None
) -> DataFrame:
    """Return one row an asking event with t in `[from_ms, until_ms)`, as the module says; nothing is written.

    Raises:
        ConfigError: when models of one feature set have different labels, or a partition column hides a feature.
        GateError: when rows of a source that decides them miss what is expected of them.
    """
    return _made(context, feature_set, from_ms, until_ms, as_rows)[0]


def _write(context: RunContext, feature_set: str, note: str) -> tuple[int, int, int]:
    """Write all rows of a feature set; return the table's version, how many there are, and how many have a label."""
    name = tables.training(feature_set)
    frame, schema = _made(context, feature_set, None, None, Writing(str(context.tables.folder(name))), WRITTEN)
    files, labelled = written(frame)
    version = context.tables.replace_files(name, files, schema, note)
    return version, sum(file.rows for file in files), labelled


def _made(
    context: RunContext,
    feature_set: str,
    from_ms: int | None,
    until_ms: int | None,
    of: Callable[[Iterator[pa.Table]], Iterator[pa.RecordBatch]],
    schema: str | None = None,
) -> tuple[DataFrame, T.StructType]:
    """Return what the workers make of the training rows by `of`, of a schema that is theirs unless it is given; and theirs."""
    check_expectations(context, read_sources(context, feature_set))
    askers = labelled_askers(context, feature_set, asking_rows(context, feature_set, from_ms, until_ms))
    groups = [context.definition.groups[name] for name in context.definition.feature_set(feature_set).groups]
    schemas = list(accumulate(groups, lambda known, group: answered_schema(group, known), initial=askers.schema))
    finish = finish_of(context, feature_set)
    rows = finish.schema(schemas[-1])
    last = Kept(schema or rows, lambda answered: of(finish.of(table) for table in answered))
    if not groups:
        return askers.mapInArrow(lambda batches: last.of(tables_of(batches)), last.schema), rows
    asked = asked_of(groups[0], askers)
    for group, following, known in zip_longest(groups, groups[1:], schemas[1:]):
        oldest_ms = None if from_ms is None else from_ms - reach_ms(group)
        events = between(counted_events(context, group), oldest_ms, until_ms)
        kept = last if following is None else asking_next(following, askers)
        packets = answered(group, asked, events, windowed, kept, by_append=_by_append(context, group))
        asked = Asked(packets, known)
    return asked.packets, rows


def counted_events(context: RunContext, group: FeatureGroup) -> DataFrame:
    """Return one row an event of the group's source that counts."""
    return context.tables.read(tables.prepared(group.source)).where(COUNTED)


def group_rows(
    context: RunContext, group: FeatureGroup, askers: DataFrame, events: DataFrame, answer: Answer = windowed
) -> DataFrame:
    """Return one row an asker, with all that it had, and the group's features as `answer` gives them."""
    return windowed_frame(group, askers, events, answer, by_append=_by_append(context, group))


def _by_append(context: RunContext, group: FeatureGroup) -> bool:
    return context.project.sources[group.source].known_by == "append_time"
