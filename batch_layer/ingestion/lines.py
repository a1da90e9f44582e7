"""A file's lines with their numbers, read on executors: the driver sees only where chunks begin, and the first line."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

_LINE_ENDS = b"\r\n"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_BLOCK_BYTES = 1024 * 1024
_CHUNK_BYTES = 2 * _BLOCK_BYTES
_MOST_CHUNKS = 256
_TASKS_A_SLOT = 2
"""Tasks a file: enough that none waits long for the last one, few enough that what they write is no heap of small files."""


@dataclass(frozen=True)
class Chunk:
    """Whole lines of a file: bytes `[start, end)`, the first line's number counted from 0 (the header, if any)."""

    start: int
    end: int
    first_number: int


@dataclass(frozen=True)
class Scan:
    """A file seen once from beginning to end: its content's SHA-256, and chunks that tasks can read by themselves."""

    sha256: str
    chunks: tuple[Chunk, ...]


def scan(path: Path, chunk_bytes: int = _CHUNK_BYTES) -> Scan:
    """Return a file's content hash and its chunks, cut after line ends.

    Args:
        path: the file.
        chunk_bytes: least size of a chunk but the last; more where the file would have more than 256 chunks.
    """
    least = max(chunk_bytes, path.stat().st_size // _MOST_CHUNKS)
    digest, chunks = hashlib.sha256(), []
    start = place = number = lines = 0
    with path.open("rb") as file:
        while block := file.read(min(_BLOCK_BYTES, least)):
            digest.update(block)
            end = block.rfind(b"\n") + 1
            if end and place + end - start >= least:
                lines += block.count(b"\n", 0, end)
                chunks.append(Chunk(start, place + end, number))
                start, number, lines = place + end, number + lines, block.count(b"\n", end)
            else:
                lines += block.count(b"\n")
            place += len(block)
    if place > start:
        chunks.append(Chunk(start, place, number))
    return Scan(digest.hexdigest(), tuple(chunks))


def first_line(path: Path) -> str:
    """Return a file's first line without its end and without a byte order mark; empty when the file is.

    Raises:
        DataError: when it is no UTF-8.
    """
    with path.open("rb") as file:
        line = file.readline().removeprefix(_BYTE_ORDER_MARK).rstrip(_LINE_ENDS)
    try:
        return line.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: expected UTF-8 in the first line, found other bytes; save the file as UTF-8"
        ) from error


def read_lines(spark: SparkSession, path: Path, chunks: tuple[Chunk, ...], *, skip_first: bool) -> DataFrame:
    """Return a file's lines; one row a line: `value` (its bytes without line end) and `number` (from 0, in file order).

    A task reads several chunks, one after the other, and so writes one file of them. Empty lines are no records, though they are numbered, so that a line's number
    follows from the file alone. On a cluster the path must be one that the executors see.
    """
    name, skipped, mark = str(path), int(skip_first), _BYTE_ORDER_MARK
    places = [(chunk.start, chunk.end, chunk.first_number) for chunk in chunks]

    def lines(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        import numpy as np  # executors need these libraries, and none of ours
        import pyarrow as pa
        import pyarrow.compute as pc

        for place in (place for batch in batches for place in batch.column(0).to_pylist()):
            start, end, first = places[place]
            with open(name, "rb") as file:  # noqa: PTH123 - an executor may not see what the driver has imported
                file.seek(start)
                text = file.read(end - start).removeprefix(mark if start == 0 else b"")
            # Arrow cuts a chunk into lines in a fifteenth of the time that a list of them takes.
            found = pc.list_flatten(pc.split_pattern(pa.array([text], pa.binary()), "\n"))
            if b"\r" in text:
                found = pc.replace_substring_regex(found, "\r+$", "")
            numbers = pa.array(np.arange(first - skipped, first - skipped + len(found)))
            kept = pc.and_(pc.greater(pc.binary_length(found), 0), pc.greater_equal(numbers, 0))
            yield pa.RecordBatch.from_arrays([found.filter(kept), numbers.filter(kept)], ["value", "number"])

    tasks = min(len(places), _TASKS_A_SLOT * spark.sparkContext.defaultParallelism)
    return spark.range(0, len(places), numPartitions=max(1, tasks)).mapInArrow(lines, "value binary, number bigint")
