"""Files of a source: text of one record a line, or Parquet; a file's content names its batch, whatever the file is called."""

from __future__ import annotations

import hashlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from batch_layer.ingestion.csv_lines import CsvLines
from batch_layer.ingestion.json_lines import JsonLines
from batch_layer.ingestion.lines import Lines, first_line, scan
from batch_layer.ingestion.parquet_columns import fingerprint_of
from batch_layer.ingestion.rows import as_records, readable
from batch_layer.ingestion.strategy import Batch
from lambda_core.errors import DataError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from batch_layer.ingestion.strategy import FileFormat, Request
    from lambda_core.config.origins import Files

FORMATS: dict[str, Callable[[Files], FileFormat]] = {
    "csv": lambda declared: CsvLines(declared.separator),
    "json": lambda _: JsonLines(),
}
"""The text formats, by the name that `files.format` gives them, as the files' settings make them."""


class SourceFiles:
    """The files that a pattern such as `orders/*.csv` finds, in order of their names.

    To know whether a file is new its bytes are read: so what `full` would read is read in any case.
    """

    def __init__(self, declared: Files) -> None:
        self._declared = declared

    def batches(self, request: Request) -> Iterator[Batch]:
        """Return one batch a file.

        Raises:
            DataError: when there is no file, or one that is empty, not UTF-8 in its first line, no Parquet, or Parquet with
                a type that Spark does not read.
        """
        folder, is_parquet = Path(request.folder), self._declared.format == "parquet"
        for path in self._found(request.source, folder):
            place = str(path.relative_to(folder) if path.is_relative_to(folder) else path)
            yield self._parquet(request.spark, path, place) if is_parquet else self._text(path, place)

    def _found(self, source: str, folder: Path) -> list[Path]:
        wanted = folder / self._declared.path  # which is the path alone where it begins at the root
        root = folder if wanted.is_relative_to(folder) else Path(wanted.anchor)
        found = sorted(path for path in root.glob(str(wanted.relative_to(root))) if path.is_file())
        if not found:
            raise DataError(
                f"source {source}: expected a file at {wanted}, found none; "
                f"put it there, or correct sources.{source}.files.path or MAINSTEM_DATA"
            )
        return found

    def _text(self, path: Path, place: str) -> Batch:
        form, content, first = FORMATS[self._declared.format](self._declared), scan(path), first_line(path)
        if form.has_header and not first:
            raise DataError(
                f"{path}: expected a header line, found none; a CSV file begins with the names of its fields"
            )
        return Batch(
            content=content.sha256,
            place=place,
            fingerprint=content_id(*form.names(first)),
            records=Lines(path, content, header=form.has_header),
            format=self._declared.format,
            header=first if form.has_header else None,
        )

    @staticmethod
    def _parquet(spark: SparkSession, path: Path, place: str) -> Batch:
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()

        def records() -> DataFrame:
            return as_records(spark.read.parquet(str(path)))

        reading = partial(readable, str(path), "write it anew, or take it away")
        return Batch(content, place, fingerprint_of(path), records, reading=reading)
