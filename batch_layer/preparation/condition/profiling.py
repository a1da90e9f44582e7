"""The one Spark pass over a source's new records: each task measures its own, what comes back is small.

A batch of files is a file's content (`batch_id`); of a topic, what was appended on one day (UTC): a function of the record, so
that it is the same however often the source is prepared.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.condition import measuring as m
from batch_layer.preparation.condition.profile import Profile
from lambda_core.cleaning.conversions import EXPECTED
from lambda_core.features.states_sql import ACCEPTED

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pyspark.sql import Column, DataFrame

    from lambda_core.config.sources import Column as Declared
    from lambda_core.config.sources import Source

LOG_BATCH = "log "
_ROWS = 100_000
"""So many records are measured at once."""
_LONGEST = 64
"""Of a text, so many characters are looked at."""
_STATES = "batch string, state string"
_LOOKED_AT = 1_000
"""In so many records keys are looked for."""


def profiles_of(source: Source, cleaned: DataFrame, headers: Sequence[str]) -> dict[str, Profile]:
    """Return what each batch among cleaned records looks like, by its name.

    Args:
        source: the declaration.
        cleaned: what `clean` returns, with `_shape`: the place of a record's header among the headers, null for none.
        headers: the distinct headers of CSV files.
    """
    columns = measured_columns(source)
    found: dict[str, Profile] = {}
    states = _measurable(source, cleaned).mapInArrow(_measuring(columns, tuple(headers)), _STATES)
    for row in states.collect():  # one small row a task and batch
        profile = msgspec.json.decode(row["state"], type=Profile)
        found[row["batch"]] = found[row["batch"]].merge(profile) if row["batch"] in found else profile
    return found


def batch_column() -> Column:
    """Return the name of a raw or cleaned record's batch."""
    day = F.date_format(F.timestamp_millis("append_time_ms"), "yyyy-MM-dd")
    of_topic = F.concat(F.lit(LOG_BATCH), day)
    return F.coalesce(F.when(F.col("partition") < 0, F.col("batch_id")).otherwise(of_topic), F.lit("?"))


def measured_columns(source: Source) -> list[m.Measured]:
    """Return the source's columns as they are measured."""
    return [
        m.Measured(name, _kind(declared), f"{name}: expected {EXPECTED[declared.type]}, found")
        for name, declared in source.all_columns.items()
    ]


def keys_of(frame: DataFrame, batch: str) -> list[str]:
    """Return the keys of the JSON objects among some records of a batch, sorted; at most as many as records are looked at.

    Args:
        frame: records as raw has them.
        batch: its name.
    """
    some = frame.where(batch_column() == batch).limit(_LOOKED_AT)
    keys = some.select(F.explode(F.json_object_keys(F.col("value").cast("string"))).alias("key")).distinct()
    return sorted(row["key"] for row in keys.limit(_LOOKED_AT).collect())


def _kind(declared: Declared) -> m.Kind:
    kind: str = declared.type  # a derived column may be a timestamp, too
    if kind in ("integer", "decimal", "float"):
        return "number"
    return "time" if kind == "timestamp" else "text"


def _measurable(source: Source, cleaned: DataFrame) -> DataFrame:
    values = (
        _value(name, declared).alias(f"c{place}") for place, (name, declared) in enumerate(source.all_columns.items())
    )
    return cleaned.select(
        batch_column().alias(m.BATCH),
        (F.size("reasons") == 0).alias(m.USABLE),
        F.expr(ACCEPTED).alias(m.COUNTED),
        F.when(F.col("unique_id").isNotNull(), F.xxhash64("unique_id")).alias(m.KEY),
        F.col(m.SHAPE).cast("bigint").alias(m.SHAPE),
        F.when(F.size("reasons") > 0, F.col("reasons")).alias(m.REASONS),
        F.when(F.size("_repaired") > 0, F.col("_repaired")).alias(m.REPAIRED),
        F.col("append_time_ms").alias(m.APPENDED),
        F.col("event_time_ms").alias(m.HAPPENED),
        *values,
    )


def _value(name: str, declared: Declared) -> Column:
    kind, value = _kind(declared), F.col(f"`{name}`")
    if kind == "number":
        return value.cast("double")
    return F.unix_millis(value) if kind == "time" else F.left(value.cast("string"), F.lit(_LONGEST))


def _measuring(
    columns: list[m.Measured], headers: tuple[str, ...]
) -> Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return what a task does: its records in tables of a good size, each measured, the profiles merged by batch."""

    def tables(records: Iterator[pa.RecordBatch]) -> Iterator[pa.Table]:
        waiting: list[pa.RecordBatch] = []
        for one in records:
            waiting.append(one)
            if sum(part.num_rows for part in waiting) >= _ROWS:
                yield pa.Table.from_batches(waiting)
                waiting = []
        if waiting:
            yield pa.Table.from_batches(waiting)

    def measured(records: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        found: dict[str, Profile] = {}
        for table in tables(records):
            for batch, profile in m.measure(table, columns, headers).items() if table.num_rows else ():
                found[batch] = found[batch].merge(profile) if batch in found else profile
        states = [msgspec.json.encode(profile).decode() for profile in found.values()]
        yield pa.RecordBatch.from_pydict(
            {"batch": pa.array(list(found), "string"), "state": pa.array(states, "string")}
        )

    return measured
