"""Ingestion: whatever a source comes from into its raw table, as it came: every record with its position and batch id.

Lives here: `ingest` (the flow), `strategy` (what a repository and a text format must tell), one file a repository (`files`,
`delta_versions`, `jdbc`), `kafka_ranges` (a topic, at its own positions), `lines` (of a file) and one file a text format,
`raw_files` (lines, written by the tasks that read them), `rows` (rows as JSON), `known` (what raw has already), `adding`
(batches, at the next positions), `commit`.
Reads: files and tables below the environment's data folder, databases. Writes: `raw_<source>`, which only ever grows.
Does not belong here: parsing (preparation's, so that a broken record too is in raw), streams (the speed layer's).
"""

from batch_layer.ingestion.commit import BatchReport
from batch_layer.ingestion.ingest import STRATEGIES, IngestionReport, ingest
from batch_layer.ingestion.rows import as_records, shape
from batch_layer.ingestion.strategy import Batch, Repository, Request

__all__ = [
    "STRATEGIES",
    "Batch",
    "BatchReport",
    "IngestionReport",
    "Repository",
    "Request",
    "as_records",
    "ingest",
    "shape",
]
