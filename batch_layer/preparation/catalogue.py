"""What there is of each source: tables with rows, version and size, batches, quarantine by reason; and its replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.condition.keeping import before_part, stored
from batch_layer.preparation.condition.profile import Profile
from batch_layer.preparation.condition.profiling import batch_column
from batch_layer.preparation.placing import by_reason
from batch_layer.preparation.prepare import prepare
from batch_layer.preparation.progress import beyond, progress_of
from lambda_core.cleaning.references import references_of
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest
from lambda_core.schemas import tables as schema

if TYPE_CHECKING:
    from lambda_core.config.sources import Source
    from lambda_core.context import RunContext

RETENTION = "until erased"
"""Tables of sources are never cut off; a topic's own retention is the broker's."""


@dataclass(frozen=True)
class TableData:
    """A table as it is now.

    Attributes:
        bytes: of all its files, also of those that only earlier versions have.
    """

    name: str
    rows: int
    version: int
    bytes: int


@dataclass(frozen=True)
class SourceData:
    """What there is of a source; raw = accepted + quarantined + duplicates once all of it is prepared.

    Attributes:
        waiting: whether a preparation would prepare all of it anew, as something that decides has changed.
    """

    source: str
    kind: str
    description: str
    owner: str
    retention: str
    waiting: bool
    accepted: int
    duplicates: int
    tables: tuple[TableData, ...]

    def rows(self, table: str) -> int:
        """Return the rows of one of its tables; 0 where there is none."""
        return sum(one.rows for one in self.tables if one.name == table)


@dataclass(frozen=True)
class BatchData:
    """A batch of a source: a file's records, or what a topic appended on a day.

    Attributes:
        rows: of the raw table. waiting: those of them that no preparation took yet.
        first_ms, last_ms: when its records were appended, in milliseconds.
    """

    batch_id: str
    rows: int
    waiting: int
    accepted: int
    quarantined: int
    first_ms: int | None
    last_ms: int | None


@dataclass(frozen=True)
class Reasoned:
    """Quarantined records with the same reason, what was found left out, and the position and begin of one of them."""

    reason: str
    records: int
    partition: int
    offset: int
    batch_id: str | None
    excerpt: str | None


@dataclass(frozen=True)
class Replayed:
    """What came of quarantined records by the present declaration; raw = accepted + quarantined + duplicates, as before."""

    source: str
    before: int
    quarantined: int
    accepted: int

    @property
    def freed(self) -> int:
        """Return how many fewer records are in quarantine."""
        return self.before - self.quarantined


def source_data(context: RunContext, name: str) -> SourceData:
    """Return what there is of a source.

    Raises:
        ConfigError: when the name is no source.
    """
    declared = known_source(context, name)
    names = [one(name) for one in (schema.raw, schema.prepared, schema.quarantine, schema.profile)]
    found = tuple(_table(context, one) for one in names if context.tables.exists(one))
    counting = duplicates = 0
    if context.tables.exists(schema.prepared(name)):
        rows = context.tables.read(schema.prepared(name)).agg(F.count_if(F.col("duplicate").isNull()).alias("counting"))
        counted = rows.first()
        counting = int(counted["counting"]) if counted is not None else 0
        duplicates = next(one.rows for one in found if one.name == schema.prepared(name)) - counting
    return SourceData(
        source=name,
        kind=declared.kind,
        description=declared.description,
        owner=declared.owner,
        retention=RETENTION,
        waiting=declared.kind == "event" and not _reached(context, name),
        accepted=counting,
        duplicates=duplicates,
        tables=found,
    )


def batches(context: RunContext, name: str) -> list[BatchData]:
    """Return the newest batches of a source, oldest first, as many as one is compared with: what raw has, what came of it.

    Raises:
        ConfigError: when the name is no source.
    """
    declared, raw = known_source(context, name), schema.raw(name)
    if not context.tables.exists(raw):
        return []
    profiles, nothing = before_part(stored(context, name), ""), Profile()
    rows = F.count(F.lit(1)).alias("rows")
    waiting = F.count_if(F.expr(beyond(_reached(context, name)))).alias("waiting")
    first, last = F.min("append_time_ms").alias("first_ms"), F.max("append_time_ms").alias("last_ms")
    found = context.tables.read(raw).groupBy(batch_column().alias("batch")).agg(rows, waiting, first, last)
    newest = found.orderBy(F.desc("last_ms"), F.desc("batch")).limit(declared.condition.history + 1).collect()
    made = []
    for row in reversed(newest):  # one small row a batch
        came_of = profiles.get(row["batch"], nothing)
        # Of a reference all of it is prepared whenever it is: what was measured is not waiting.
        left = row["waiting"] if declared.kind == "event" else row["rows"] - came_of.rows
        span = (row["first_ms"], row["last_ms"])
        made.append(BatchData(row["batch"], row["rows"], left, came_of.accepted, came_of.quarantined, *span))
    return made


def quarantined(context: RunContext, name: str, most: int = 50) -> list[Reasoned]:
    """Return the reasons of a source's quarantine, the most frequent first; a record with several is counted for each.

    Raises:
        ConfigError: when the name is no source.
    """
    known_source(context, name)
    if not context.tables.exists(schema.quarantine(name)):
        return []
    first = F.min(F.struct("partition", "offset", "batch_id", "excerpt"))
    rows = by_reason(context.tables.read(schema.quarantine(name)), most, one=first)
    return [Reasoned(row["reason"], row["records"], *row["one"]) for row in rows]


def replay(context: RunContext, name: str) -> Replayed:
    """Prepare a source by the present declaration; return what came of its quarantine.

    What a record becomes is decided by the declarations and references alone. Where these are what they were, every
    quarantined record would be refused again; where they changed, all records are prepared anew: those that can be used now
    leave the quarantine, and the accounts are exact. The speed side is not asked: a changed declaration is a new definition,
    whose first view is made from the raw table.

    Raises:
        ConfigError: when the name is no source. GateError, DataError, SchemaError: as of a preparation.
    """
    known_source(context, name)
    table = schema.quarantine(name)
    before = context.tables.read(table).count() if context.tables.exists(table) else 0
    report = prepare(context, [name]).sources[0]
    return Replayed(name, before, report.quarantined, report.accepted)


def _reached(context: RunContext, name: str) -> dict[int, int]:
    """Return partition -> next offset that is not prepared; nothing where all of it will be prepared anew."""
    needed = references_of(context.project, name)
    if not all(context.tables.exists(schema.prepared(reference)) for reference in needed):
        return {}
    return progress_of(context, name).positions


def known_source(context: RunContext, name: str) -> Source:
    """Return the declaration of a source.

    Raises:
        ConfigError: when the name is none, with the nearest one.
    """
    declared = context.project.sources
    if name not in declared:
        raise ConfigError(
            f"data: expected one of {', '.join(sorted(declared))}; found {name!r}{nearest(name, list(declared))}"
        )
    return declared[name]


def _table(context: RunContext, name: str) -> TableData:
    folder = context.environment.tables / name
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    return TableData(name, context.tables.read(name).count(), context.tables.version(name), size)
