"""The windowed features of asking rows, in parallel: events and askers are brought together, the kernel does the rest.

1. Event time is cut into chunks of at least twice the longest window. An asker belongs to the chunk of its t; an event
   to every chunk in which a window may see it: two at most.
2. Events and askers meet by (chunk, bucket of entities) in one call of the kernel. So its memory depends on what two
   chunks hold, not on how long the history is, and one entity with most of the rows is still spread over its chunks.
   A window of all of history makes one chunk of it all: then it is the buckets alone that bound the memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.covers import Column
from batch_layer.preparation.kernel import Askers, Events
from lambda_core.features.aggregations import Number
from lambda_core.features.definition import Feature, FeatureGroup
from lambda_core.features.keys import entity_key_sql
from lambda_core.features.windows import DAY_MS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, GroupedData

Answer = Callable[[FeatureGroup, Events, Askers], dict[str, Column]]
"""What answers for all askers of a chunk and bucket: the kernel, or a check around it."""

_SHORTEST_CHUNK_MS = 30 * DAY_MS
_TYPES = {
    "integer": ("bigint", pa.int64()),
    "float": ("double", pa.float64()),
    "string": ("string", pa.string()),
}


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
    types = [_types(feature)[0] for feature in group.features]
    schema = ", ".join(
        ["`partition` int", "`offset` bigint", *(f"`{n}` {t}" for n, t in zip(names, types, strict=True))]
    )
    arrow = [_types(feature)[1] for feature in group.features]
    seen = _seen(group)

    def answered(event_rows: pa.Table, asking_rows: pa.Table) -> pa.Table:
        entities = _numbered(event_rows.column("entity"), asking_rows.column("entity"))
        columns = {sees: _column(event_rows, place, number) for place, (sees, number) in enumerate(seen.items())}
        history = Events(
            entity=entities[: len(event_rows)],
            event_time_ms=_numbers(event_rows, "event_time_ms"),
            partition=_numbers(event_rows, "partition"),
            offset=_numbers(event_rows, "offset"),
            columns=columns,
            known_ms=_numbers(event_rows, "append_time_ms") if by_append else None,
        )
        found = answer(group, history, Askers(entities[len(event_rows) :], _numbers(asking_rows, "t_ms")))
        values = [_arrow(found[name], kind) for name, kind in zip(names, arrow, strict=True)]
        places = [asking_rows.column(name).combine_chunks() for name in ("partition", "offset")]
        return pa.Table.from_arrays([*places, *values], names=["partition", "offset", *names])

    placed_events, placed_askers = _placed(group, events, askers)
    return placed_events.cogroup(placed_askers).applyInArrow(answered, schema)


def reach_ms(group: FeatureGroup) -> int:
    """Return how long before t an event may lie and still be in some window, in milliseconds."""
    return max(feature.window.length_ms + feature.window.hop_ms for feature in group.features)


def _types(feature: Feature) -> tuple[str, pa.DataType]:
    """Return the Spark type and the Arrow type of a feature's values."""
    kind, arrow = _TYPES[feature.answer.gives]
    return (f"array<{kind}>", pa.list_(arrow)) if feature.answer.gives_list else (kind, arrow)


def _seen(group: FeatureGroup) -> dict[str, Number]:
    """Return what the group's slots see, each once, with the type of its values."""
    return {slot.sees: slot.aggregation.number for slot in group.slots if slot.sees is not None}


def _placed(group: FeatureGroup, events: DataFrame, askers: DataFrame) -> tuple[GroupedData, GroupedData]:
    """Return both sides grouped by (chunk, bucket)."""
    reach = reach_ms(group)
    chunk = max(2 * reach, _SHORTEST_CHUNK_MS)
    buckets = 2 * int(events.sparkSession.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    seen = events.select(
        F.expr(entity_key_sql(group.key_columns)).alias("entity"),
        *(F.col(name) for name in ("event_time_ms", "partition", "offset", "append_time_ms")),
        *(
            F.expr(_value_sql(sees, number)).alias(f"value_{place}")
            for place, (sees, number) in enumerate(_seen(group).items())
        ),
    ).where("entity is not null")
    first, last = _step("event_time_ms", chunk), _step(f"(event_time_ms + {reach}L)", chunk)
    spread = seen.withColumn("chunk", F.explode(F.expr(f"sequence({first}, {last})")))
    own = askers.withColumn("chunk", F.expr(_step("t_ms", chunk)))
    bucket = F.expr(f"pmod(xxhash64(entity), {buckets})")
    return spread.groupBy("chunk", bucket.alias("bucket")), own.groupBy("chunk", bucket.alias("bucket"))


def _step(moment: str, step_ms: int) -> str:
    """Return the Spark SQL of the number of the step that the moment lies in."""
    return f"(({moment} - pmod({moment}, {step_ms}L)) div {step_ms}L)"


def _value_sql(sees: str, number: Number) -> str:
    value = number.value_sql(sees)
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


def _column(rows: pa.Table, place: int, number: Number) -> Column:
    values = rows.column(f"value_{place}").combine_chunks()
    present = values.is_valid().to_numpy(zero_copy_only=False)
    if number.name == "string":
        return Column(np.array(values.to_pylist(), dtype=object), present)
    return Column(values.fill_null(0).to_numpy(zero_copy_only=False), present)


def _arrow(column: Column, kind: pa.DataType) -> pa.Array:
    if pa.types.is_list(kind):
        return pa.array(
            [one if there else None for one, there in zip(column.values, column.present, strict=True)], kind
        )
    return pa.array(column.values, kind, mask=~column.present)
