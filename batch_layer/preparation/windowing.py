"""The windowed features of asking rows, in parallel: events and askers are brought together, the kernel does the rest.

1. Rows of both sides are sent to the call of the kernel where they meet (`routing`), as packets of Arrow's columns
   (`packets`): nowhere are there rows of Spark's.
2. Askers carry all of their columns with them: each is moved once a group, and nothing is joined afterwards.
3. What becomes of them then happens in the worker that answered them (`Kept`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql.pandas.types import to_arrow_schema

from batch_layer.preparation.covers import Column
from batch_layer.preparation.kernel import Askers, Events
from batch_layer.preparation.packets import ASKERS, EVENTS, PACKET, calls, meeting, packed, packets_of
from batch_layer.preparation.routing import (
    buckets_of,
    has_entity_sql,
    integers,
    key_columns,
    key_texts,
    parts_of,
    place_of_askers,
    place_of_events,
)
from lambda_core.features.aggregations import Number
from lambda_core.features.definition import Feature, FeatureGroup

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

Answer = Callable[[FeatureGroup, Events, Askers], dict[str, Column]]
"""What answers for all askers of a chunk and bucket: the kernel, or a check around it."""

_TYPES = {
    "integer": ("bigint", pa.int64()),
    "float": ("double", pa.float64()),
    "string": ("string", pa.string()),
}


@dataclass(frozen=True)
class Asked:
    """Askers on their way to a group's calls: packets, and what is in them."""

    packets: DataFrame
    schema: T.StructType


@dataclass(frozen=True)
class Kept:
    """What becomes of answered askers in the worker that answered them.

    Attributes:
        schema: of the rows that leave the worker.
        of: makes them of tables of answered askers.
    """

    schema: T.StructType | str
    of: Callable[[Iterator[pa.Table]], Iterator[pa.RecordBatch]]


def windowed_frame(
    group: FeatureGroup, askers: DataFrame, events: DataFrame, answer: Answer, *, by_append: bool
) -> DataFrame:
    """Return one row an asker: its columns, and the group's features, as `answered` says."""
    asked = asked_of(group, askers)
    kept = Kept(answered_schema(group, asked.schema), as_rows)
    return answered(group, asked, events, answer, kept, by_append=by_append)


def asked_of(group: FeatureGroup, askers: DataFrame) -> Asked:
    """Return askers on their way to a group's calls.

    Args:
        group: whose features are to be answered.
        askers: one row an asker, of any columns, among them t_ms and those that `key_columns` names.
    """
    return Asked(packed(askers, ASKERS, place_of_askers(group, buckets_of(askers.sparkSession))), askers.schema)


def answered(
    group: FeatureGroup, asked: Asked, events: DataFrame, answer: Answer, kept: Kept, *, by_append: bool
) -> DataFrame:
    """Return what is kept of the askers: their columns, and the group's features; those of no event where there is no entity.

    Args:
        group: whose features are answered.
        asked: the askers.
        events: one row an event that counts: the source's columns, event_time_ms, partition, offset, append_time_ms.
        answer: the kernel (`kernel.windowed`), or a check around it.
        kept: what becomes of the rows.
        by_append: whether an event is known only once it was appended.
    """
    seen = _seen_events(group, events, by_append=by_append)
    schemas = to_arrow_schema(seen.schema), to_arrow_schema(asked.schema)
    buckets = buckets_of(events.sparkSession)

    def work(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        parts = (part for call in calls(batches, schemas) for part in parts_of(group, buckets, *call))
        return kept.of(_answered(group, answer, own, asking) for own, asking in parts if len(asking))

    met = meeting(packed(seen, EVENTS, place_of_events(group, buckets)), asked.packets)
    return met.mapInArrow(work, kept.schema)


def answered_schema(group: FeatureGroup, schema: T.StructType) -> T.StructType:
    """Return the schema of askers with a group's features."""
    found = ", ".join(f"`{feature.name}` {_types(feature)[0]}" for feature in group.features)
    return T.StructType([*schema.fields, *cast("T.StructType", T.StructType.fromDDL(found)).fields])


def as_rows(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    """Yield the rows as they are."""
    for table in tables:
        yield from table.to_batches()


def asking_next(group: FeatureGroup, askers: DataFrame) -> Kept:
    """Return what sends answered askers on to another group's calls."""
    place = place_of_askers(group, buckets_of(askers.sparkSession))
    return Kept(PACKET, lambda tables: packets_of(tables, ASKERS, place))


def _answered(group: FeatureGroup, answer: Answer, events: pa.Table, askers: pa.Table) -> pa.Table:
    """Return the askers of a call with the group's features behind their columns."""
    keys = list(key_texts(group))
    entities = _numbered(events.select(keys), askers.select(keys))
    history = Events(
        entity=entities[: len(events)],
        event_time_ms=integers(events, "event_time_ms"),
        partition=integers(events, "partition"),
        offset=integers(events, "offset"),
        columns={sees: _column(events, place, number) for place, (sees, number) in enumerate(_seen(group).items())},
        known_ms=integers(events, "append_time_ms") if "append_time_ms" in events.column_names else None,
    )
    found = answer(group, history, Askers(entities[len(events) :], integers(askers, "t_ms")))
    for feature in group.features:
        askers = askers.append_column(feature.name, _arrow(found[feature.name], _types(feature)[1]))
    return askers


def _types(feature: Feature) -> tuple[str, pa.DataType]:
    """Return the Spark type and the Arrow type of a feature's values."""
    kind, arrow = _TYPES[feature.answer.gives]
    return (f"array<{kind}>", pa.list_(arrow)) if feature.answer.gives_list else (kind, arrow)


def _seen(group: FeatureGroup) -> dict[str, Number]:
    """Return what the group's slots see, each once, with the type of its values."""
    return {slot.sees: slot.aggregation.number for slot in group.slots if slot.sees is not None}


def _seen_events(group: FeatureGroup, events: DataFrame, *, by_append: bool) -> DataFrame:
    """Return what the kernel is told of each event that has an entity."""
    position = ["event_time_ms", "partition", "offset", *(["append_time_ms"] if by_append else [])]
    values = (
        f"{_value_sql(sees, number)} as value_{place}" for place, (sees, number) in enumerate(_seen(group).items())
    )
    keys = (f"{expression} as `{name}`" for name, expression in key_columns(group).items())
    return events.where(has_entity_sql(group)).selectExpr(*keys, *(f"`{name}`" for name in position), *values)


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
