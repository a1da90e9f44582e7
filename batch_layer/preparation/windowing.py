"""The windowed features of asking rows, in parallel: events and askers are brought together, the kernel does the rest.

1. Event time is cut into chunks of at least twice the longest window. An asker belongs to the chunk of its t; an event
   to every chunk in which a window may see it: two at most.
2. Events and askers meet by (chunk, bucket of entities) in one call of the kernel. So its memory depends on what two
   chunks hold, not on how long the history is, and one entity with most of the rows is still spread over its chunks.
   A window of all of history makes one chunk of it all: then it is the buckets alone that bound the memory.
3. Askers carry all of their columns with them: each is moved once a group, and nothing is joined afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from batch_layer.preparation.covers import Column
from batch_layer.preparation.kernel import Askers, Events
from lambda_core.features.aggregations import Number
from lambda_core.features.definition import Feature, FeatureGroup
from lambda_core.features.windows import DAY_MS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, GroupedData

Answer = Callable[[FeatureGroup, Events, Askers], dict[str, Column]]
"""What answers for all askers of a chunk and bucket: the kernel, or a check around it."""

_SHORTEST_CHUNK_MS = 30 * DAY_MS
_CALL = "_call"
"""The number of the call of the kernel that a row belongs to."""
_TYPES = {
    "integer": ("bigint", pa.int64()),
    "float": ("double", pa.float64()),
    "string": ("string", pa.string()),
}


def windowed_frame(
    group: FeatureGroup, askers: DataFrame, events: DataFrame, answer: Answer, *, by_append: bool
) -> DataFrame:
    """Return one row an asker: its columns, and the group's features; those of no event where it has no such entity.

    Args:
        group: whose features are answered.
        askers: one row an asker, of any columns, among them partition, offset, t_ms, and the texts of its entity's key
            in the columns that `key_texts` names (a null: it has no such entity).
        events: one row an event that counts: the source's columns, event_time_ms, partition, offset, append_time_ms.
        answer: the kernel (`kernel.windowed`), or a check around it.
        by_append: whether an event is known only once it was appended.
    """
    carried, keys = askers.schema, list(key_texts(group))
    names, arrow = [feature.name for feature in group.features], [_types(feature)[1] for feature in group.features]
    found = ", ".join(f"`{feature.name}` {_types(feature)[0]}" for feature in group.features)
    schema = T.StructType([*carried.fields, *cast("T.StructType", T.StructType.fromDDL(found)).fields])
    seen = _seen(group)

    def answered(event_rows: pa.Table, asking_rows: pa.Table) -> pa.Table:
        entities = _numbered(event_rows.select(keys), asking_rows.select(keys))
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
        own = asking_rows.select(carried.names)
        return pa.Table.from_arrays([*own.columns, *values], names=[*carried.names, *names])

    position = ["event_time_ms", "partition", "offset", *(["append_time_ms"] if by_append else [])]
    placed_events, placed_askers = _placed(group, events, position, askers)
    return placed_events.cogroup(placed_askers).applyInArrow(answered, schema)


def key_texts(group: FeatureGroup) -> dict[str, str]:
    """Return the columns in which askers and events meet: name -> the key column whose text it is.

    Texts are equal where canonical keys are, and cost nothing to make.
    """
    return {f"_{group.entity}_{place}": column for place, column in enumerate(group.key_columns)}


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


def _placed(
    group: FeatureGroup, events: DataFrame, position: list[str], askers: DataFrame
) -> tuple[GroupedData, GroupedData]:
    """Return both sides grouped by (chunk, bucket), as one number: Spark sorts by it without comparing rows."""
    reach = reach_ms(group)
    chunk = max(2 * reach, _SHORTEST_CHUNK_MS)
    buckets = 2 * int(events.sparkSession.conf.get("spark.sql.shuffle.partitions", "4") or 4)
    keys = key_texts(group)
    has_entity = " and ".join(f"`{column}` is not null" for column in keys)
    seen = events.select(
        *(F.col(column).cast("string").alias(name) for name, column in keys.items()),
        *(F.col(name) for name in position),
        *(
            F.expr(_value_sql(sees, number)).alias(f"value_{place}")
            for place, (sees, number) in enumerate(_seen(group).items())
        ),
    ).where(has_entity)
    first, last = _step("event_time_ms", chunk), _step(f"(event_time_ms + {reach}L)", chunk)
    drawn = f"xxhash64({', '.join(f'`{name}`' for name in keys)})"
    call = F.expr(f"_chunk * {buckets} + pmod({drawn}, {buckets})").alias(_CALL)
    spread = seen.withColumn("_chunk", F.explode(F.expr(f"sequence({first}, {last})"))).withColumn(_CALL, call)
    # Those without an entity would all be in one call by the hash of nothing.
    asked = F.expr(
        f"{_step('t_ms', chunk)} * {buckets} + pmod(if({has_entity}, {drawn}, xxhash64(`offset`)), {buckets})"
    )
    return spread.drop("_chunk").groupBy(_CALL), askers.withColumn(_CALL, asked).groupBy(_CALL)


def _step(moment: str, step_ms: int) -> str:
    """Return the Spark SQL of the number of the step that the moment lies in."""
    return f"(({moment} - pmod({moment}, {step_ms}L)) div {step_ms}L)"


def _value_sql(sees: str, number: Number) -> str:
    value = number.value_sql(sees)
    return f"cast({value} as bigint)" if number.exact else value


def _numbered(events: pa.Table, askers: pa.Table) -> np.ndarray:
    """Return a number for each row of texts, events first: equal rows have equal ones, a row with a null has -1."""
    columns = [_codes(events.column(name), askers.column(name)) for name in events.column_names]
    numbers = columns[0]
    for codes in columns[1:]:
        pairs = np.where((numbers < 0) | (codes < 0), -1, numbers * (len(codes) + 1) + codes)
        numbers = _codes(pa.chunked_array([pa.array(pairs, mask=pairs < 0)]))
    return numbers


def _codes(*columns: pa.ChunkedArray) -> np.ndarray:
    """Return a number below their count for each value of the columns, one after the other; -1 for null."""
    values = pa.chunked_array([chunk for column in columns for chunk in column.chunks], type=columns[0].type)
    # A chunk each has its own dictionary, unless they are one.
    codes: np.ndarray = pc.dictionary_encode(values).combine_chunks().indices.fill_null(-1).to_numpy().astype(np.int64)
    return codes


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
