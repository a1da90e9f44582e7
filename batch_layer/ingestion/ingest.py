"""Sources into raw tables, as they came. The same content twice is one batch, whoever ingests it, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock

from batch_layer.ingestion.adding import add, in_groups
from batch_layer.ingestion.delta_versions import DeltaVersions
from batch_layer.ingestion.files import SourceFiles
from batch_layer.ingestion.jdbc import JdbcRows
from batch_layer.ingestion.kafka_ranges import ingest_ranges
from batch_layer.ingestion.known import Known
from batch_layer.ingestion.strategy import Request
from lambda_core.config.sources import ORIGINS
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest
from lambda_core.schemas.tables import raw
from lambda_core.spark import side_by_side
from lambda_core.strategies import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch_layer.ingestion.commit import BatchReport
    from batch_layer.ingestion.strategy import Repository
    from lambda_core.config.sources import Source
    from lambda_core.context import RunContext

STRATEGIES: dict[str, Any] = {"files": SourceFiles, "delta": DeltaVersions, "jdbc": JdbcRows}
"""The repositories, by the setting of a source that names them; any other one is `repository`, by its dotted path."""


@dataclass(frozen=True)
class IngestionReport:
    """What became of every batch of a run; `rows_added` are the records that this run brought into raw tables."""

    batches: tuple[BatchReport, ...]
    rows_added: int


def ingest(context: RunContext, sources: Sequence[str] | None = None, *, full: bool = False) -> IngestionReport:
    """Bring what is new of the named sources (default: of all that ingestion reads) into their raw tables.

    Args:
        context: names tables, folders and the project.
        sources: which ones; None for all.
        full: look at all of their records, and not only at what came since; what raw has already adds nothing.

    Raises:
        ConfigError: when a name is no source.
        DataError: when a place does not hold what was promised.
        ServerError: when a place does not answer.
    """
    declared = context.project.sources
    for name in sources or ():
        if name not in declared:
            raise ConfigError(
                f"ingest: expected one of {', '.join(sorted(declared))}; found {name!r}{nearest(name, list(declared))}"
            )
    wanted = declared if sources is None else sources

    def ingest_source(name: str) -> list[BatchReport]:
        found = _ingest_offline(context, name, full=full) if declared[name].is_offline else []
        return [*found, *ingest_ranges(context, name, full=full)]

    batches = tuple(batch for reports in side_by_side(context, ingest_source, wanted) for batch in reports)
    return IngestionReport(batches, sum(batch.rows for batch in batches if batch.added))


def _ingest_offline(context: RunContext, name: str, *, full: bool) -> list[BatchReport]:
    """Add what a source's place has, in steps whose order makes each batch once and leaves positions without gaps.

    1. Take the lock of the source's ingestion: what follows is one process at a time.
    2. Look at what raw has.
    3. Ask the place for its batches, and add those that raw lacks, each as the next running numbers.
    """
    table, folder = raw(name), context.environment.tables
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / f".{table}.ingesting.lock"):
        known = Known.of(context, table)
        request = Request(context.spark, name, str(context.environment.data.absolute()), known.since, full=full)
        groups = in_groups(_repository(context, name).batches(request))
        return [report for group in groups for report in add(context, name, group, known)]


def _repository(context: RunContext, name: str) -> Repository:
    source: Source = context.project.sources[name]
    if source.repository is not None:
        made: Repository = build({}, source.repository, f"sources.{name}.repository")
        return made
    origin = next(origin for origin in ORIGINS if getattr(source, origin) is not None)
    chosen: Repository = STRATEGIES[origin](getattr(source, origin))
    return chosen
