"""Rows as packets: many of them, as Arrow's columns, are one row to Spark while they cross a shuffle.

Spark moves and sorts rows one by one, and makes rows of columns and columns of rows wherever Python looks at them. A packet
is moved as it is: the rows of one call that one task had at hand, on one of the two sides that meet there.
"""

from __future__ import annotations

from itertools import groupby, pairwise
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from batch_layer.preparation.ordering import brought_together

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pyspark.sql import DataFrame

    Place = Callable[[pa.Table], tuple[np.ndarray, np.ndarray]]
    """What says where rows go: the numbers of rows, and of the call that each goes to. A row may go to several."""

PACKET = "`_call` bigint, `_side` int, `_rows` binary"
SIDES = EVENTS, ASKERS = 0, 1
_MOST_ROWS, _MOST_BYTES = 1 << 16, 1 << 24
"""Rows are cut into packets once there are so many: enough that a call gets few packets, few enough to be held at once."""
_PACKET_BYTES = 1 << 18
"""A packet holds as many rows as have so many bytes by the average, or one: Spark hands as many packets to Python at once
as it does rows, however large they are."""
_ARROW = pa.schema([("_call", pa.int64()), ("_side", pa.int32()), ("_rows", pa.binary())])


def packed(rows: DataFrame, side: int, place: Place) -> DataFrame:
    """Return the rows as packets of one side (PACKET)."""
    return rows.mapInArrow(lambda batches: packets_of(tables_of(batches), side, place), PACKET)


def meeting(events: DataFrame, askers: DataFrame) -> DataFrame:
    """Return the packets of both sides, those of a call one after the other, as `calls` takes them."""
    return events.union(askers).repartition("_call").sortWithinPartitions("_call")


def packets_of(tables: Iterable[pa.Table], side: int, place: Place) -> Iterator[pa.RecordBatch]:
    """Yield the rows of tables as packets, those of several small tables together."""
    for table in together(tables, _MOST_ROWS, _MOST_BYTES):
        rows, calls = place(table)
        distinct, numbers = np.unique(calls, return_inverse=True)
        order, begins = brought_together(numbers, len(distinct))
        ordered = table.take(pa.array(rows[order])).combine_chunks()
        most = max(1, _PACKET_BYTES * len(ordered) // max(1, ordered.nbytes))
        found = [
            (call, _bytes(ordered.slice(first, min(most, end - first))))
            for call, (begin, end) in zip(distinct, pairwise(begins), strict=True)
            for first in range(begin, end, most)
        ]
        columns = {
            "_call": [call for call, _ in found],
            "_side": [side] * len(found),
            "_rows": [one for _, one in found],
        }
        yield pa.RecordBatch.from_pydict(columns, schema=_ARROW)


def calls(
    batches: Iterable[pa.RecordBatch], schemas: tuple[pa.Schema, pa.Schema]
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the rows of each call, those of either side as one table, from packets in the order that `meeting` gives.

    Args:
        batches: the packets.
        schemas: of the rows of either side; of a side that has none in a call, too.
    """
    for _, packets in groupby(_packets(batches), key=itemgetter(0)):
        found: tuple[list[pa.RecordBatch], list[pa.RecordBatch]] = ([], [])
        for _, side, rows in packets:
            with pa.ipc.open_stream(rows.as_buffer()) as stream:
                found[side].extend(stream)
        events, askers = (pa.Table.from_batches(own, schema) for own, schema in zip(found, schemas, strict=True))
        yield events, askers


def _packets(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[int, int, pa.BinaryScalar]]:
    for batch in batches:
        call, side, rows = batch.columns
        yield from zip(call.to_pylist(), side.to_pylist(), rows, strict=True)


def tables_of(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.Table]:
    """Yield each batch's rows as a table."""
    return (pa.Table.from_batches([batch]) for batch in batches)


def together(tables: Iterable[pa.Table], most_rows: int, most_bytes: int = 1 << 27) -> Iterator[pa.Table]:
    """Yield the rows of tables in tables of at least so many rows or bytes, but the last; none of no rows."""
    held: list[pa.Table] = []
    rows = size = 0
    for table in tables:
        held.append(table)
        rows, size = rows + len(table), size + table.nbytes
        if rows >= most_rows or size >= most_bytes:
            yield pa.concat_tables(held).combine_chunks()
            held, rows, size = [], 0, 0
    if rows:
        yield pa.concat_tables(held).combine_chunks()


def _bytes(rows: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as stream:
        stream.write_table(rows)
    packet: bytes = sink.getvalue().to_pybytes()
    return packet
