"""The windowed features of asking rows, in parallel: events and askers are brought together, the kernel does the rest.

1. Event time is cut into chunks of at least twice the longest window. An asker belongs to the chunk of its t; an event
   to every chunk in which a window may see it: two at most.
2. Events and askers meet by (chunk, bucket of entities) in one call of the kernel. So its memory depends on what two
   chunks hold, not on how long the history is, and one entity with most of the rows is still spread over its chunks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.kernel import Askers, Events
from batch_layer.preparation.reductions import Column
from lambda_core.features.definition import FeatureGroup, Slot
from lambda_core.features.keys import entity_key_sql
from lambda_core.features.windows import DAY_MS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, GroupedData

Answer = Callable[[FeatureGroup, Events, Askers], dict[str, Column]]
"""What answers for all askers of a chunk and bucket: the kernel, or a check around it."""

_SHORTEST_CHUNK_MS = 30 * DAY_MS
_TYPES = {"integer": ("bigint", pa.int64()), "string": ("string", pa.string())}
_DOUBLE = ("double", pa.float64())


def windowed_frame(
    group: FeatureGroup, askers: DataFrame, events: DataFrame, answer: Answer, *, by_append: bool
) -> DataFrame:
    """Return one row an asker that has this entity: partition, offset, and the group's features.

    Args:
        group: whose features are answered.
        askers: one row an asker: partition, offset, t_ms, entity (canonical key, not null).
        events: one row an event that counts: the source's columns, event_time_ms, partition, offset, append_time_ms.
        answer: the kernel (`kernel.windowed`), or a check around it.
        by_append: whether an event is known only once it was appended.
    """
    names = [feature.name for feature in group.features]
    types = [feature_type(group.slots[feature.slot]) for feature in group.features]
    schema = ", ".join(
        ["`partition` int", "`offset` bigint", *(f"`{n}` {t}" for n, t in zip(names, types, strict=True))]
    )
    arrow = [_types(group.slots[feature.slot])[1] for feature in group.features]

    def answered(event_rows: pa.Table, asking_rows: pa.Table) -> pa.Table:
        entities = _numbered(event_rows.column("entity"), asking_rows.column("entity"))
        columns = {slot.column: _column(event_rows, slot) for slot in group.slots if slot.column is not None}
        history = Events(
            entity=entities[: len(event_rows)],
            event_time_ms=_numbers(event_rows, "event_time_ms"),
            partition=_numbers(event_rows, "partition"),
            offset=_numbers(event_rows, "offset"),
            columns=columns,
            known_ms=_numbers(event_rows, "append_time_ms") if by_append else None,
        )
        found = answer(group, history, Askers(entities[len(event_rows) :], _numbers(asking_rows, "t_ms")))
        values = [pa.array(found[n].values, kind, mask=~found[n].present) for n, kind in zip(names, arrow, strict=True)]
        places = [asking_rows.column(name).combine_chunks() for name in ("partition", "offset")]
        return pa.Table.from_arrays([*places, *values], names=["partition", "offset", *names])

    placed_events, placed_askers = _placed(group, events, askers)
    return placed_events.cogroup(placed_askers).applyInArrow(answered, schema)


def feature_type(slot: Slot) -> str:
    """Return the Spark type of a feature's values."""
    return _types(slot)[0]


def reach_ms(group: FeatureGroup) -> int:
    """Return how long before t an event may lie and still be in some window, in milliseconds."""
    return max(feature.window.length_ms + feature.window.hop_ms for feature in group.features)


def _types(slot: Slot) -> tuple[str, pa.DataType]:
    kind = slot.aggregation.name
    if kind == "count":
        return _TYPES["integer"]
    return _DOUBLE if kind in ("mean", "variance") else _TYPES.get(slot.aggregation.number.name, _DOUBLE)


def _placed(group: FeatureGroup, events: DataFrame, askers: DataFrame) -> tuple[GroupedData, GroupedData]:
    """Return both sides grouped by (chunk, bucket)."""
    reach = reach_ms(group)
    chunk = max(2 * reach, _SHORTEST_CHUNK_MS)
    buckets = 2 * int(events.sparkSession.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    columns = {slot.column: slot for slot in group.slots if slot.column is not None}
    seen = events.select(
        F.expr(entity_key_sql(group.key_columns)).alias("entity"),
        *(F.col(name) for name in ("event_time_ms", "partition", "offset", "append_time_ms")),
        *(F.expr(_value_sql(slot)).alias(f"value_{name}") for name, slot in columns.items()),
    ).where("entity is not null")
    first, last = _step("event_time_ms", chunk), _step(f"(event_time_ms + {reach}L)", chunk)
    spread = seen.withColumn("chunk", F.explode(F.expr(f"sequence({first}, {last})")))
    own = askers.withColumn("chunk", F.expr(_step("t_ms", chunk)))
    bucket = F.expr(f"pmod(xxhash64(entity), {buckets})")
    return spread.groupBy("chunk", bucket.alias("bucket")), own.groupBy("chunk", bucket.alias("bucket"))


def _step(moment: str, step_ms: int) -> str:
    """Return the Spark SQL of the number of the step that the moment lies in."""
    return f"(({moment} - pmod({moment}, {step_ms}L)) div {step_ms}L)"


def _value_sql(slot: Slot) -> str:
    number = slot.aggregation.number
    value = number.value_sql(str(slot.column))
    return f"cast({value} as bigint)" if number.exact else value


def _numbered(*columns: pa.ChunkedArray) -> np.ndarray:
    """Return a number for each text of the columns, one after the other; equal texts have equal numbers."""
    chunks = [chunk.cast(pa.large_string()) for column in columns for chunk in column.chunks]
    texts = pa.chunked_array(chunks, type=pa.large_string()).combine_chunks()
    numbers: np.ndarray = texts.dictionary_encode().indices.to_numpy().astype(np.int64)
    return numbers


def _numbers(rows: pa.Table, name: str) -> np.ndarray:
    numbers: np.ndarray = rows.column(name).to_numpy().astype(np.int64)
    return numbers


def _column(rows: pa.Table, slot: Slot) -> Column:
    values = rows.column(f"value_{slot.column}").combine_chunks()
    present = values.is_valid().to_numpy(zero_copy_only=False)
    if slot.aggregation.number.name == "string":
        return Column(np.array(values.to_pylist(), dtype=object), present)
    return Column(values.fill_null(0).to_numpy(zero_copy_only=False), present)
