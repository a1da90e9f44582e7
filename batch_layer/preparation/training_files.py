"""Training rows into files of their table, by the workers that made them; a commit makes them part of it."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batch_layer.preparation.packets import together
from lambda_core.repositories.table_files import TableFile

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

WRITTEN = "name string, rows bigint, labelled bigint, least_ms bigint, greatest_ms bigint"
_ROW_GROUP = 1 << 18


@dataclass(frozen=True)
class Writing:
    """A worker's writing: one file of all the rows that it is given, if there are any."""

    folder: str

    def __call__(self, tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
        """Yield what was written (WRITTEN)."""
        name, writer = f"part-{uuid.uuid4()}.zstd.parquet", None
        rows = labelled = 0
        bounds: list[int] = []
        for table in together(tables, _ROW_GROUP):
            writer = writer or pq.ParquetWriter(Path(self.folder) / name, table.schema, **_settings(table.schema))
            writer.write_table(table, len(table))
            rows, labelled = rows + len(table), labelled + len(table) - table.column("label").null_count
            bounds += [each.as_py() for each in pc.min_max(table.column("t_ms")).values()]
        if writer is not None:
            writer.close()
            written = {
                "name": name,
                "rows": rows,
                "labelled": labelled,
                "least_ms": min(bounds),
                "greatest_ms": max(bounds),
            }
            yield pa.RecordBatch.from_pylist([written])


def written(frame: DataFrame) -> tuple[list[TableFile], int]:
    """Have files written by a frame of WRITTEN; return them, and how many of their rows have a label."""
    found = frame.collect()
    files = [TableFile(row.name, row.rows, {"t_ms": row.least_ms}, {"t_ms": row.greatest_ms}) for row in found]
    return files, sum(row.labelled for row in found)


def _settings(schema: pa.Schema) -> dict[str, object]:
    """Return how Parquet keeps the columns: doubles as they are, all else once a page where its values are few."""
    return {
        "compression": "zstd",
        "use_dictionary": [field.name for field in schema if not pa.types.is_floating(field.type)],
        "dictionary_pagesize_limit": 65_536,
        "store_schema": False,
    }
