"""Files into raw tables, as they came. The same content twice is one batch, whoever ingests it, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from filelock import FileLock
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from batch_layer.ingestion.lines import Scan, first_line, read_lines, scan
from lambda_core.cleaning.expressions import nearest
from lambda_core.errors import ConfigError, DataError
from lambda_core.schemas.ids import batch_id, content_id
from lambda_core.schemas.tables import RAW_SCHEMA, raw
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from batch_layer.ingestion.strategy import FileFormat
    from lambda_core.config.sources import Source
    from lambda_core.context import RunContext

FILE_PARTITION = -1


@dataclass(frozen=True)
class FileReport:
    """What became of one file.

    Attributes:
        rows: records of the batch in the raw table.
        added: whether this run added them; false when the same content was there before.
    """

    source: str
    place: str
    batch_id: str
    fingerprint: str
    rows: int
    added: bool


@dataclass(frozen=True)
class IngestionReport:
    """What became of every file of a run; `rows_added` are the records that this run brought into raw tables."""

    files: tuple[FileReport, ...]
    rows_added: int


def ingest(context: RunContext, sources: Sequence[str] | None = None) -> IngestionReport:
    """Bring the files of the named sources (default: of all that have files) into their raw tables.

    Raises:
        ConfigError: when a name is no source.
        DataError: when a source's file is missing, empty, or not UTF-8 in its first line.
    """
    declared = context.project.sources
    for name in sources or ():
        if name not in declared:
            raise ConfigError(
                f"ingest: expected one of {', '.join(sorted(declared))}; found {name!r}{nearest(name, list(declared))}"
            )
    wanted = list(sources) if sources is not None else list(declared)
    found = {name: source_files(context, name) for name in wanted if declared[name].files is not None}

    def ingest_source(name: str) -> list[FileReport]:
        return [_ingest_file(context, name, path) for path in found[name]]

    files = tuple(file for reports in side_by_side(context, ingest_source, found) for file in reports)
    return IngestionReport(files, sum(file.rows for file in files if file.added))


def source_files(context: RunContext, source_name: str) -> list[Path]:
    """Return a source's files in order of their names; its path may be a pattern such as `orders/*.csv`.

    Raises:
        DataError: when there is none.
    """
    declared = context.project.sources[source_name].files
    folder = context.environment.data.absolute()
    found = sorted(path for path in folder.glob(declared.path) if path.is_file()) if declared else []
    if not found:
        raise DataError(
            f"source {source_name}: expected a file at {folder / (declared.path if declared else '')}, found none; "
            f"put it there, or correct sources.{source_name}.files.path or MAINSTEM_DATA"
        )
    return found


def _ingest_file(context: RunContext, source_name: str, path: Path) -> FileReport:
    """Add one file's records, in steps whose order makes it once and leaves positions without gaps.

    1. Take the lock of the source's files: what follows is one file at a time, across processes.
    2. If the raw table has the batch, nothing is to do.
    3. Number the lines from the greatest file offset on.
    4. Append under the batch's own transaction id, which Delta accepts once.
    """
    begin = context.clock.now_ms()
    content = scan(path)
    table, batch = raw(source_name), batch_id(source_name, content.sha256)
    context.environment.tables.mkdir(parents=True, exist_ok=True)
    with FileLock(context.environment.tables / f".{table}.files.lock"):
        seen = _Seen.of(context, table, batch)
        if not seen.rows:
            frame = _records(context, source_name, path, content, seen.next_offset)
            context.tables.append(table, frame, transaction=(f"ingest-{batch}", 1))
        rows = seen.rows or _Seen.of(context, table, batch).rows
    fingerprint = _fingerprint(context.project.sources[source_name], path)
    report = FileReport(source_name, _place(context, path), batch, fingerprint, rows, added=not seen.rows)
    seconds = (context.clock.now_ms() - begin) / 1000
    context.log.info("file ingested" if report.added else "file was ingested before", **vars(report), seconds=seconds)
    return report


@dataclass(frozen=True)
class _Seen:
    """What the raw table holds of files: rows of one batch, and the next free offset."""

    rows: int
    next_offset: int

    @classmethod
    def of(cls, context: RunContext, table: str, batch: str) -> _Seen:
        if not context.tables.exists(table):
            return cls(0, 0)
        files = context.tables.read(table).where(F.col("partition") == FILE_PARTITION)
        found = files.agg(
            F.count_if(F.col("batch_id") == batch).alias("rows"),
            (F.coalesce(F.max("offset"), F.lit(-1)) + 1).alias("next"),
        ).first()
        return cls(int(found["rows"]), int(found["next"])) if found is not None else cls(0, 0)


def _records(context: RunContext, source_name: str, path: Path, content: Scan, next_offset: int) -> DataFrame:
    source = context.project.sources[source_name]
    form = _format(source)
    now_ms = context.clock.now_ms()
    header = first_line(path) if form.has_header else None
    given = {
        "format": source.files.format if source.files else None,
        "header": header,
        "fingerprint": _fingerprint(source, path),
        "origin": "file",
        "place": _place(context, path),
        "batch_id": batch_id(source_name, content.sha256),
        "partition": FILE_PARTITION,
        "append_time_ms": now_ms,
        "ingest_time_ms": now_ms,
    }
    lines = read_lines(context.spark, path, content.chunks, skip_first=form.has_header)
    offset = (F.col("number") + F.lit(next_offset)).alias("offset")
    columns = {name: F.lit(value).alias(name) for name, value in given.items()} | {"offset": offset}
    fields = cast("T.StructType", T.StructType.fromDDL(RAW_SCHEMA)).fields
    return lines.select(
        *(columns.get(field.name, F.col(field.name)).cast(field.dataType).alias(field.name) for field in fields)
    )


def _format(source: Source) -> FileFormat:
    from batch_layer.ingestion import STRATEGIES  # the menu imports this module

    return STRATEGIES[source.files.format]() if source.files else STRATEGIES["json"]()


def _fingerprint(source: Source, path: Path) -> str:
    """Return the hash of the names of the file's fields: the same for files of the same shape."""
    form, line = _format(source), first_line(path)
    if form.has_header and not line:
        raise DataError(f"{path}: expected a header line, found none; a CSV file begins with the names of its fields")
    return content_id(*form.names(line))


def _place(context: RunContext, path: Path) -> str:
    return str(path.relative_to(context.environment.data.absolute()))
