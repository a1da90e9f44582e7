"""What a record becomes: the one function that batch and stream share.

What happens to a row, in this order; each step sees only the row, its position and its append time:

1. Texts      null_values become null.
2. As read    every text becomes a value of its column's type; what is unreadable is a reason.
3. Repaired   every `repair` is worked out over the columns as read; then required, min and max are reasons.
4. Looked up  each lookup is a left join with a prepared reference, sent to every executor.
5. Derived    in order of declaration; each may use those before it; same reasons as for the record's own columns.
6. Timed      event_time_ms; missing, before the first year, beyond append time and tolerance are reasons.
7. Ruled      every row rule that is false is a reason.
8. Sized      texts that would make a message longer than a broker takes are a reason.
9. Named      unique_id; duplicate by `log_from`. (By `unique_key` needs more rows than one: preparation, the store.)

Projections and broadcast joins only, so that the same plan runs in Real-Time Mode.
"""

from __future__ import annotations

import datetime as dt
from functools import reduce
from typing import TYPE_CHECKING

from pyspark.sql import Column
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.cleaning import reasons
from lambda_core.cleaning.conversions import from_text, from_value, spark_type
from lambda_core.cleaning.deriving import derive, possible
from lambda_core.cleaning.expressions import analyse, no_condition
from lambda_core.cleaning.looking_up import look_up
from lambda_core.cleaning.reading import BROKEN, FIELDS
from lambda_core.cleaning.repairs import repair_sql
from lambda_core.cleaning.sizes import too_long
from lambda_core.errors import ConfigError
from lambda_core.features.keys import unique_key_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.cleaning.reasons import Reason
    from lambda_core.config.project import Project
    from lambda_core.config.sources import Source

LOG_FROM = "log_from"
"""The declared duplicate of a record that the other of file and topic counts."""
REPAIRED = "_repaired"
"""The names of the columns whose value a repair changed: an array, empty for most records."""


def clean(project: Project, source_name: str, frame: DataFrame, references: dict[str, DataFrame]) -> DataFrame:
    """Return the source's columns with what the record's position, time and rules say of it.

    Args:
        project: the validated project.
        source_name: the source whose records these are.
        frame: what `read_fields` returns; one row a record.
        references: for each reference that a lookup joins, its prepared rows that count (`read_references`).

    Returns:
        One row a record: the source's columns in order of declaration, `event_time_ms`, `partition`, `offset`,
        `append_time_ms`, `unique_id`, `duplicate` (null or `log_from`), `reasons` (empty where the record is accepted),
        `_repaired` (the names of the columns whose value a repair changed), and `batch_id` and other columns with a leading
        underscore as they came in.

    Raises:
        ConfigError: when an expression or a lookup cannot work, with its key path.
    """
    source, path = project.sources[source_name], f"sources.{source_name}"
    carried = [name for name in frame.columns if name != FIELDS]
    found: list[Reason] = []
    frame = _read(source, frame, carried, found)
    frame = _repair(source, frame, path, found)
    frame = look_up(project, source_name, frame, references)
    frame = derive(source, frame, path, found)
    frame = _time(source, frame, path, found)
    frame = _rule(source, frame, path, found)
    size = too_long(project, source_name)
    found += [size] if size else []
    return _name(source, frame, carried, found, _unique(project, source_name))


def _read(source: Source, frame: DataFrame, carried: list[str], found: list[Reason]) -> DataFrame:
    nulls = list(source.null_values)
    texts = []
    for name in source.columns:
        text = F.col(f"{FIELDS}.{name}")
        texts.append((F.when(~text.isin(nulls), text) if nulls else text).alias(f"_text_{name}"))
    frame = frame.select(*carried, *texts)
    for name, column in source.columns.items():
        as_read = F.col(f"_read_{name}" if column.repairs else name)
        if column.type != "string":
            found.append(reasons.unreadable(name, column, F.col(f"_text_{name}"), as_read))
    typed = [from_text(F.col(f"_text_{name}"), column).alias(name) for name, column in source.columns.items()]
    return frame.select("*", *typed)


def _repair(source: Source, frame: DataFrame, path: str, found: list[Reason]) -> DataFrame:
    as_read = frame
    repaired = {}
    for name, column in source.columns.items():
        repair = repair_sql(name, column)
        if repair:
            where = f"{path}.columns.{name}.repair"
            given = analyse(as_read, repair, where)
            value = from_value(F.expr(repair), given, column)
            repaired[name] = possible(value, column.type, given, where)
    if repaired:
        kept = [F.col(name) for name in frame.columns if name not in repaired]
        read = [F.col(name).alias(f"_read_{name}") for name in repaired]
        frame = frame.select(*kept, *read, *(value.alias(name) for name, value in repaired.items()))
    for name, column in source.columns.items():
        unread = F.col(f"_text_{name}").isNotNull() & F.col(f"_read_{name}" if column.repairs else name).isNull()
        if column.required:
            found.append(reasons.missing(name, F.col(name).isNull() & ~unread))
        if column.min is not None or column.max is not None:
            found.append(reasons.out_of_bounds(name, column))
    return frame


def _time(source: Source, frame: DataFrame, path: str, found: list[Reason]) -> DataFrame:
    if source.event_time is None:
        return frame.withColumn("event_time_ms", F.lit(None).cast("bigint"))
    wrong = no_time(source, path)
    if wrong:
        raise ConfigError(wrong)
    first = dt.datetime(source.first_year, 1, 1, tzinfo=dt.UTC)
    found.extend(reasons.wrong_time(source, int(first.timestamp()) * 1000))
    return frame.withColumn("event_time_ms", F.unix_millis(F.col(source.event_time)))


def no_time(source: Source, path: str) -> str | None:
    """Return the sentence about an event time that is no time; None where it is one, or a reference has none."""
    if source.event_time is None:
        return None
    given = spark_type(source.all_columns[source.event_time]).simpleString()
    if given == "timestamp":
        return None
    return (
        f"{path}.event_time: expected a derived column of type timestamp, found {source.event_time!r} of type {given}"
    )


def _rule(source: Source, frame: DataFrame, path: str, found: list[Reason]) -> DataFrame:
    for place, rule in enumerate(source.row_rules):
        where = f"{path}.row_rules[{place}].rule"
        wrong = no_condition(analyse(frame, rule.rule, where), where)
        if wrong:
            raise ConfigError(wrong)
        found.append(reasons.broken_rule(rule))
    return frame


def _unique(project: Project, source_name: str) -> Column:
    """Return what names the event that a record tells of; null where the source declares nothing that does."""
    unique = project.sources[source_name].unique_key
    entities = [group.entity for group in project.feature_groups.values() if group.source == source_name]
    keys = [project.entities[entity].keys for entity in dict.fromkeys(entities)]
    return F.expr(unique_key_sql(unique, keys)) if unique else F.lit(None).cast("string")


def _name(source: Source, frame: DataFrame, carried: list[str], found: list[Reason], unique: Column) -> DataFrame:
    # A good record costs the conditions alone: no sentence is made for it, and no array.
    broken = F.when(F.col(BROKEN).isNotNull(), F.array(F.col(BROKEN)))
    wrong = reduce(Column.__or__, (reason.wrong for reason in found), F.lit(False))  # noqa: FBT003
    # Flattened, not compacted: what takes a lambda is not compiled, nor is anything that stands in one projection with it.
    none = F.array().cast("array<string>")
    several = F.when(wrong, F.flatten(F.array(none, *(reason.told() for reason in found))))
    every = F.coalesce(broken, several, none)
    positions = [name for name in carried if name != BROKEN]
    named = frame.select(
        *source.all_columns,
        "event_time_ms",
        *positions,
        unique.alias("unique_id"),
        every.alias("reasons"),
        _repaired(source).alias(REPAIRED),
    )
    return named.withColumn("duplicate", F.when(F.size("reasons") == 0, _log_from(source)))


def _repaired(source: Source) -> Column:
    """Return the names of the columns whose value is another one than was read."""
    nothing = F.array().cast("array<string>")
    changed = {
        name: ~F.col(name).eqNullSafe(F.col(f"_read_{name}"))
        for name, column in source.all_columns.items()
        if column.repairs
    }
    if not changed:
        return nothing
    any_ = reduce(Column.__or__, changed.values())
    names = F.array_compact(F.array(*(F.when(differs, F.lit(name)) for name, differs in changed.items())))
    return F.when(any_, names).otherwise(nothing)


def _log_from(source: Source) -> Column:
    """Return `log_from` where the other of file and topic counts events of this time."""
    if source.log_from is None or not source.is_offline or source.topic is None:
        return F.lit(None).cast("string")
    start_ms = F.lit(int(_utc(source.log_from).timestamp() * 1000))
    of_file, time = F.col("partition") < 0, F.col("event_time_ms")
    return F.when((of_file & (time >= start_ms)) | (~of_file & (time < start_ms)), F.lit(LOG_FROM))


def _utc(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
