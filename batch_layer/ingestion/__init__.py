"""Ingestion: files into the raw tables, as they came: every line with its position, batch id and fingerprint.

Lives here: `ingest` (the flow), `strategy` (what a format must tell), one file a format, `lines` (reading on executors).
Reads: the sources' files below the environment's data folder. Writes: `raw_<source>`, which only ever grows.
Does not belong here: parsing (preparation's, so that a broken record too is in raw), topics (the speed layer's).
"""

from batch_layer.ingestion.csv_lines import CsvLines
from batch_layer.ingestion.ingest import FileReport, IngestionReport, ingest
from batch_layer.ingestion.json_lines import JsonLines
from batch_layer.ingestion.strategy import FileFormat

STRATEGIES: dict[str, type[FileFormat]] = {"csv": CsvLines, "json": JsonLines}

__all__ = ["STRATEGIES", "FileReport", "IngestionReport", "ingest"]
