"""A batch into its raw table: the one commit of ingestion."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.fail_points import passed
from lambda_core.repositories.raw_log import raw_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext
    from lambda_core.repositories.table_files import TableFile
    from lambda_core.repositories.tables import Commit


@dataclass(frozen=True)
class BatchReport:
    """What became of one batch.

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


def commit(context: RunContext, table: str, rows: DataFrame | tuple[TableFile, ...], batch: str) -> Commit | None:
    """Append the rows of a batch, or files of them, under its own transaction id, which is accepted once.

    Returns:
        What the commit added; None where the table had the batch already, or has another commit since.
    """
    passed("ingest.before_commit")
    application = f"ingest-{batch}"
    if isinstance(rows, tuple):
        version = context.tables.append_files(table, rows, raw_schema(), transaction=(application, 1))
    else:
        version = context.tables.append(table, rows, transaction=(application, 1))
    passed("ingest.after_commit")
    made = context.tables.commit(table, version)
    return made if made.application == application else None


def tell(context: RunContext, report: BatchReport, begin_ms: int) -> BatchReport:
    """Log what became of a batch, and return it."""
    seconds = (context.clock.now_ms() - begin_ms) / 1000
    context.log.info("batch ingested" if report.added else "batch was ingested before", **vars(report), seconds=seconds)
    return report
