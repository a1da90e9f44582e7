"""Lines into files of a raw table, by the tasks that read them: Arrow cuts and writes whole chunks, and never looks at a row.

Spark's own writer takes each of eleven columns of each row by itself, though all but two are the same in every row of a
batch. What is written here is no part of the table until it is committed (`TableRepository.append_files`).
"""

from __future__ import annotations

import sys
import uuid
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch_layer.ingestion.lines import BYTE_ORDER_MARK
from lambda_core.repositories.table_files import TableFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from pyspark.sql import SparkSession

    from batch_layer.ingestion.lines import Chunk, Lines

    Part = tuple[str, str, int, list[tuple[int, int, int]], Mapping[str, Any]]
    """Key of a batch, its file, the first offset of a record, `(start, end, offset of the first line)` of each chunk, and
    the columns that are the same in all rows."""
    Written = tuple[str, str, int, int, int]
    """Key of a batch, name of a file, its rows, the least and the greatest offset."""

_TASKS_A_SLOT = 4
"""Enough that none waits long for the last one, few enough that what they write is no heap of small files."""
_MOST_BYTES_A_FILE = 64 * 1024 * 1024


@dataclass(frozen=True)
class Wanted:
    """What becomes of a batch's lines.

    Attributes:
        lines: the records.
        begin: the offset of the record with number 0.
        made: the columns that are the same in all rows, by their names.
    """

    lines: Lines
    begin: int
    made: Mapping[str, Any]


def write_files(
    spark: SparkSession, folder: Path, schema: pa.Schema, wanted: Mapping[str, Wanted]
) -> dict[str, tuple[TableFile, ...]]:
    """Write the rows of batches into the folder by one Spark job; return the files of each, as the keys name them.

    A task holds one chunk at a time. One that is killed, or runs twice, leaves files that nobody will hear of.
    """
    send_by_value()
    slots, place = spark.sparkContext.defaultParallelism, str(folder)
    parts = list(_parts(wanted, slots * _TASKS_A_SLOT))
    files: dict[str, list[TableFile]] = {key: [] for key in wanted}
    if parts:
        tasks = spark.sparkContext.parallelize(parts, min(len(parts), slots * _TASKS_A_SLOT))
        for key, file, rows, first, last in tasks.flatMap(partial(write_part, place, schema)).collect():
            same = {name: value for name, value in wanted[key].made.items() if isinstance(value, int)}
            files[key].append(TableFile(file, rows, {**same, "offset": first}, {**same, "offset": last}))
    return {key: tuple(own) for key, own in files.items()}


def send_by_value() -> None:
    """Have executors be sent the functions of this module and not their names: they need Arrow and numpy, and none of ours."""
    from pyspark import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]


def _parts(wanted: Mapping[str, Wanted], tasks: int) -> Iterator[Part]:
    """Yield what becomes one file each: a run of chunks of one batch."""
    share = min(_MOST_BYTES_A_FILE, sum(one.lines.bytes for one in wanted.values()) // tasks)
    for key, one in wanted.items():
        for run in _runs(one.lines.scan.chunks, share):
            first = one.begin - one.lines.header
            places = [(chunk.start, chunk.end, first + chunk.first_number) for chunk in run]
            yield key, str(one.lines.path), one.begin, places, one.made


def _runs(chunks: Sequence[Chunk], least: int) -> Iterator[list[Chunk]]:
    """Yield chunks in runs of at least so many bytes, but the last."""
    run: list[Chunk] = []
    for chunk in chunks:
        run.append(chunk)
        if chunk.end - run[0].start >= least:
            yield run
            run = []
    if run:
        yield run


def write_part(folder: str, schema: pa.Schema, part: Part) -> list[Written]:
    """Write one file, a row group a chunk; return what it is, or nothing where there is no record."""
    key, path, begin, places, made = part
    name, writer, rows, offsets = f"part-{uuid.uuid4()}.zstd.parquet", None, 0, list[int]()
    file = Path(folder) / name
    with Path(path).open("rb") as source:
        for start, end, offset in places:
            source.seek(start)
            values, numbers = records(source.read(end - start), start, offset, begin)
            if len(values):
                table = as_rows(values, numbers, schema, made)
                writer = writer or pq.ParquetWriter(file, table.schema, **_settings(schema))
                writer.write_table(table, row_group_size=len(values))
                rows += len(values)
                offsets += [numbers[0].as_py(), numbers[-1].as_py()]
    if writer is None:
        return []
    writer.close()
    return [(key, name, rows, offsets[0], offsets[-1])]


def records(text: bytes, start: int, offset: int, begin: int) -> tuple[pa.Array, pa.Array]:
    """Return the records among whole lines of a file, without their ends, and their offsets.

    Empty lines are no records, though they are counted.

    Args:
        text: the lines.
        start: where in the file they begin; a byte order mark may stand at 0.
        offset: of the first line.
        begin: the first offset of a record; a header lies before it.
    """
    if start == 0:
        text = text.removeprefix(BYTE_ORDER_MARK)
    if b"\r\n" in text:
        text = text.replace(b"\r\n", b"\n")
    found = pc.list_flatten(pc.split_pattern(pa.array([text], pa.binary()), "\n"))
    if b"\r" in text:
        found = pc.replace_substring_regex(found, "\r+$", "")
    offsets = np.arange(offset, offset + len(found))
    kept = np.flatnonzero((pc.binary_length(found).to_numpy() > 0) & (offsets >= begin))
    if len(kept) and kept[-1] - kept[0] + 1 == len(kept):  # one run, most often: it need not be copied
        run = slice(kept[0], kept[-1] + 1)
        return found[run], pa.array(offsets[run])
    return found.take(pa.array(kept)), pa.array(offsets[kept])


def as_rows(values: pa.Array, offsets: pa.Array, schema: pa.Schema, made: Mapping[str, Any]) -> pa.Table:
    """Return the records as rows of the raw table; what is the same in all rows stands there once."""
    once = pa.array(np.zeros(len(values), dtype=np.int32))

    def column(field: pa.Field) -> pa.Array:
        if field.name not in made:
            return values if field.name == "value" else offsets
        if made[field.name] is None:
            return pa.nulls(len(values), field.type)
        return pa.DictionaryArray.from_arrays(once, pa.array([made[field.name]], field.type))

    return pa.table([column(field) for field in schema], names=schema.names)


def _settings(schema: pa.Schema) -> dict[str, Any]:
    """Return how Parquet keeps the columns: texts as they are, offsets by their steps, all else once a row group."""
    return {
        "compression": "zstd",
        "use_dictionary": [name for name in schema.names if name not in {"value", "offset"}],
        "column_encoding": {"offset": "DELTA_BINARY_PACKED"},
        "write_statistics": [name for name in schema.names if name != "value"],
        "store_schema": False,
    }
