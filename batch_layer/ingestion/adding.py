"""Batches into the raw table: each as the next running numbers, in one commit of its own, which is made once.

Rows of tables are written by Spark, a batch at a time. Lines of files are written by the tasks that read them, several files
in one Spark job, since where one file's numbers end is known before it is written.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql.pandas.types import to_arrow_schema

from batch_layer.ingestion.commit import BatchReport, commit, tell
from batch_layer.ingestion.known import OFFLINE_PARTITION, place_of, values_of
from batch_layer.ingestion.lines import Lines
from batch_layer.ingestion.raw_files import Wanted, write_files
from batch_layer.ingestion.rows import numbered
from lambda_core.repositories.raw_log import raw_rows, raw_schema
from lambda_core.schemas.ids import batch_id, content_id
from lambda_core.schemas.tables import raw

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pyspark.sql import DataFrame

    from batch_layer.ingestion.known import Known
    from batch_layer.ingestion.strategy import Batch
    from lambda_core.context import RunContext
    from lambda_core.repositories.table_files import TableFile

_MOST_BYTES_A_JOB = 512 * 1024 * 1024
"""Of text: what a kill before the first commit has to be done again of, in the worst case."""


def in_groups(batches: Iterable[Batch], most_bytes: int = _MOST_BYTES_A_JOB) -> Iterator[list[Batch]]:
    """Yield batches as they are added together: lines of files up to so many bytes, all others one by one."""
    group: list[Batch] = []
    size = 0
    for batch in batches:
        if group and not isinstance(batch.records, Lines):
            yield group
            group, size = [], 0
        group.append(batch)
        size += batch.records.bytes if isinstance(batch.records, Lines) else most_bytes
        if size >= most_bytes:
            yield group
            group, size = [], 0
    if group:
        yield group


def add(context: RunContext, source: str, group: Sequence[Batch], known: Known) -> list[BatchReport]:
    """Add those batches of a group that raw lacks, in their order; tell what became of each."""
    first = group[0]
    if isinstance(first.records, Lines):
        return _add_files(context, source, group, known)
    return [_add_rows(context, source, first, first.records, known)]


def _add_files(context: RunContext, source: str, group: Sequence[Batch], known: Known) -> list[BatchReport]:
    """Add files of lines, in steps whose order gives each batch the numbers that follow what raw has.

    1. Write all of them by one Spark job, at the numbers that follow one another.
    2. Commit the files of each batch, if they begin where raw ends now.
    3. Where they do not, since somebody else committed, write the rest again; what was written is left.
    """
    reports = []
    written: dict[str, tuple[int, tuple[TableFile, ...]]] = {}
    for place, batch in enumerate(group):
        begin_ms, identity = context.clock.now_ms(), batch_id(source, batch.content)
        if added := not known.rows.get(identity):
            if identity not in written or written[identity][0] != known.next_offset:
                written = _write(context, source, group[place:], known)
            _commit(context, source, batch, identity, written[identity][1], known)
        rows = known.rows.get(identity, 0)
        report = BatchReport(source, batch.place, identity, batch.fingerprint, rows, added=added)
        reports.append(tell(context, report, begin_ms))
    return reports


def _write(
    context: RunContext, source: str, group: Sequence[Batch], known: Known
) -> dict[str, tuple[int, tuple[TableFile, ...]]]:
    """Write files of the batches that raw lacks; return batch id -> the offset of its number 0, and its files."""
    wanted, begin = dict[str, Wanted](), known.next_offset
    for batch in group:
        identity = batch_id(source, batch.content)
        if isinstance(batch.records, Lines) and identity not in wanted and not known.rows.get(identity):
            wanted[identity] = Wanted(batch.records, begin, _made(context, batch, identity))
            begin += batch.records.end
    files = write_files(context.spark, context.tables.folder(raw(source)), to_arrow_schema(raw_schema()), wanted)
    return {identity: (one.begin, files[identity]) for identity, one in wanted.items()}


def _add_rows(
    context: RunContext, source: str, batch: Batch, read: Callable[[], DataFrame], known: Known
) -> BatchReport:
    """Add a batch's rows as Spark reads them."""
    begin_ms, identity, added = context.clock.now_ms(), batch_id(source, batch.content), False
    if batch.whole or not known.rows.get(identity):
        with _records(context, raw(source), batch, read) as (records, content):
            if content is not None:
                identity, added = batch_id(source, content), True
                offset = F.col("number") + F.lit(known.next_offset)
                rows = raw_rows(records, {**_made(context, batch, identity), "offset": offset})
                _commit(context, source, batch, identity, rows, known)
    found = known.rows.get(identity, 0)
    return tell(context, BatchReport(source, batch.place, identity, batch.fingerprint, found, added=added), begin_ms)


def _commit(
    context: RunContext, source: str, batch: Batch, identity: str, rows: DataFrame | tuple[TableFile, ...], known: Known
) -> None:
    """Append a batch's rows under its own transaction id, and note what raw has then."""
    made = commit(context, raw(source), rows, identity)
    if made is None:
        known.look_again(context, raw(source))
    else:
        known.add(identity, place_of(batch.place, batch.cursor), made.rows, made.greatest.get("offset"))


@contextmanager
def _records(
    context: RunContext, table: str, batch: Batch, read: Callable[[], DataFrame]
) -> Iterator[tuple[DataFrame, str | None]]:
    """Yield a batch's records that raw is to have, numbered, and what names them; None where raw has all of a whole."""
    kept: DataFrame | None = None
    try:
        with batch.reading():
            frame = read()
            if batch.whole and context.tables.exists(table):
                frame = frame.exceptAll(values_of(context.tables.read(table), batch.place))
            if "number" not in frame.columns:
                frame, kept = numbered(frame)
            content = _named(batch.content, frame) if batch.whole else batch.content
        yield frame, content
    finally:
        if kept is not None:
            kept.unpersist()


def _named(content: str, frame: DataFrame) -> str | None:
    """Return what names the records of a whole that are new; None where there are none."""
    rows, added_up = frame.agg(F.count(F.lit(1)), F.sum(F.xxhash64("value").cast("decimal(38,0)"))).collect()[0]
    return content_id(content, rows, added_up) if rows else None


def _made(context: RunContext, batch: Batch, identity: str) -> dict[str, Any]:
    """Return the columns that are the same in all rows of a batch."""
    now_ms = context.clock.now_ms()
    return {
        "format": batch.format,
        "header": batch.header,
        "fingerprint": batch.fingerprint,
        "origin": "file",
        "place": place_of(batch.place, batch.cursor),
        "batch_id": identity,
        "partition": OFFLINE_PARTITION,
        "append_time_ms": now_ms,
        "ingest_time_ms": now_ms,
    }
