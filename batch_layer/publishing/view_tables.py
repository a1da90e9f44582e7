"""A publication's jobs over tables, and the proof that they leave nothing out: raw = prepared + quarantined."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.gate import check_expectations
from batch_layer.preparation.tiles import Selection, TilesReport, build_tiles
from batch_layer.publishing.batch_values import BatchValues, Loaded
from batch_layer.publishing.horizon import Prepared
from lambda_core.cleaning.clean import clean
from lambda_core.cleaning.reading import read_fields
from lambda_core.cleaning.references import read_references, reference_hashes, with_references
from lambda_core.errors import GuardError
from lambda_core.features.states_sql import updates_frame
from lambda_core.schemas import tables
from lambda_core.schemas.messages import Update
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

    from lambda_core.context import RunContext
    from lambda_core.repositories.log import LogRecord
    from lambda_core.views.pointer import Published


class SparkViewTables:
    """The tables of a context, by its Spark; see `publish.ViewTables`."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self._tiles: dict[str, DataFrame] = {}

    def prepared(self) -> list[Prepared]:
        """Return what of each source was prepared; its versions pin the tables for the whole publication.

        Raises:
            GateError: when rows of a source, or of a reference that it looks up, miss what is expected of them.
        """
        context = self._context
        sources = dict.fromkeys(group.source for group in context.definition.groups.values())
        found = side_by_side(context, partial(prepared_of, context), sources)
        pinned = {one.source: one.versions["prepared"] for one in found}
        check_expectations(context, with_references(context.project, sources), pinned)
        return found

    def accounts(self, prepared: list[Prepared], horizon: int) -> dict[str, int]:
        """Return source -> records before the horizon; GuardError when raw and prepared do not agree."""
        counted = side_by_side(self._context, lambda one: check_accounts(self._context, one, horizon), prepared)
        return {one.source: account["raw"] for one, account in zip(prepared, counted, strict=True)}

    def build(self, prepared: list[Prepared], horizon: int) -> TilesReport:
        """Write the tiles of everything before the horizon."""
        return build_tiles(
            self._context, Selection(horizon, {one.source: one.versions["prepared"] for one in prepared})
        )

    def write(self, generation: str, tiles: TilesReport) -> dict[str, Loaded]:
        """Write every group's batch values to Redis."""
        read = self._context.tables.read
        self._tiles = {group: read(tables.tiles(group), version) for group, version in tiles.versions.items()}
        return self._each_group(generation, BatchValues.write)

    def read_back(self, generation: str, tiles: TilesReport) -> dict[str, Loaded]:
        """Return what Redis holds of them."""
        del tiles  # they were read to be written
        return self._each_group(generation, BatchValues.read_back)

    def _each_group(self, generation: str, work: Callable[[BatchValues, DataFrame], Loaded]) -> dict[str, Loaded]:
        context = self._context
        url = context.environment.redis.get_secret_value()

        def of_group(name: str) -> Loaded:
            values = BatchValues(url, context.keys, context.definition.groups[name], generation)
            return work(values, self._tiles[name])

        groups = list(context.definition.groups)
        return dict(zip(groups, side_by_side(context, of_group, groups), strict=True))

    def rebuilds(self, definition_id: str) -> int:
        """Return the greatest rebuild number that was ever published of a definition; -1 when none was."""
        if not self._context.tables.exists(tables.PUBLICATIONS):
            return -1
        used = self._context.tables.read(tables.PUBLICATIONS).where(F.col("definition_id") == definition_id)
        greatest = used.agg(F.max("rebuild")).first()
        return -1 if greatest is None or greatest[0] is None else int(greatest[0])

    def references(self) -> dict[str, str]:
        """Return the content hash of each reference that the definition pins."""
        return reference_hashes(self._context)

    def updates(self, source: str, records: list[LogRecord]) -> list[Update]:
        """Return what records of a source's topic become, by the reading and cleaning that every record goes through."""
        context, declared = self._context, self._context.project.sources[source]
        columns = "`partition` int, `offset` bigint, append_time_ms bigint, value binary"
        fields = read_fields(declared, context.spark.createDataFrame(records, columns))
        cleaned = clean(context.project, source, fields, read_references(context, source))
        rows = updates_frame(context.definition, source, cleaned).collect()  # few: clocks stepped back for them
        return [Update(**row.asDict()) for row in rows]

    def record(self, new: Published, prepared: list[Prepared], tiles: TilesReport, loaded: dict[str, Loaded]) -> None:
        """Record the publication."""
        row = {
            "generation": new.generation,
            "horizon": new.horizon,
            "epoch": new.epoch,
            "definition_id": new.definition_id,
            "rebuild": new.rebuild,
            "raw_versions": new.raw_versions,
            "prepared_versions": {one.source: one.versions["prepared"] for one in prepared},
            "tile_versions": tiles.versions,
            "lookback_from_ms": new.lookback_from_ms,
            "keys": {group: found.keys for group, found in loaded.items()},
            "run_id": self._context.run_id,
            "at_ms": self._context.clock.now_ms(),
        }
        frame = self._context.spark.createDataFrame([row], tables.PUBLICATIONS_SCHEMA)
        self._context.tables.append(tables.PUBLICATIONS, frame)


def prepared_of(context: RunContext, source: str) -> Prepared:
    """Return what of a source was prepared; the versions pin it for the whole publication."""
    names = {"raw": tables.raw(source), "prepared": tables.prepared(source), "quarantine": tables.quarantine(source)}
    found = {kind: name for kind, name in names.items() if kind == "prepared" or context.tables.exists(name)}
    versions = {kind: context.tables.version(name) for kind, name in found.items()}
    rows = _placed(context, source, versions).where("`partition` >= 0")
    reached = rows.groupBy("partition").agg((F.max("offset") + 1).alias("next")).collect()
    return Prepared(
        source, context.project.sources[source].topic, versions, {row["partition"]: row["next"] for row in reached}
    )


def check_accounts(context: RunContext, one: Prepared, horizon: int) -> dict[str, int]:
    """Return the numbers of raw and of prepared or quarantined records that the view covers; they are equal.

    Raises:
        GuardError: when they are not: something was ingested after the preparation, or was lost in it.
    """
    if "raw" not in one.versions:
        return {"raw": 0, "prepared": 0}
    period = F.floor(F.col("append_time_ms") / context.project.view.period_ms)
    of_view = (F.col("partition") < 0) | ((period < horizon) & (F.col("offset") < _reached_by(one)))
    raw = context.tables.read(tables.raw(one.source), one.versions["raw"]).where(of_view)
    counted = {
        "raw": _positions(raw),
        "prepared": _positions(_placed(context, one.source, one.versions).where(of_view)),
    }
    if counted["raw"] != counted["prepared"]:
        raise GuardError(
            f"publish: expected every raw record of {one.source} before period {horizon} to be prepared or quarantined, "
            f"found {counted['raw']} raw and {counted['prepared']} of the others; run preparation (with --full, if that adds "
            "nothing), then publish again"
        )
    return counted


def _placed(context: RunContext, source: str, versions: dict[str, int]) -> DataFrame:
    """Return one row a record that was prepared or quarantined: partition, offset, append_time_ms."""
    columns = ("partition", "offset", "append_time_ms")
    rows = context.tables.read(tables.prepared(source), versions["prepared"]).select(*columns)
    if "quarantine" not in versions:
        return rows
    return rows.unionByName(context.tables.read(tables.quarantine(source), versions["quarantine"]).select(*columns))


def _reached_by(one: Prepared) -> Column:
    reached = [f"when `partition` = {partition} then {position}L" for partition, position in one.positions.items()]
    return F.expr(f"case {' '.join(reached)} else 0L end" if reached else "0L")


def _positions(rows: DataFrame) -> int:
    """Return how many records these are, a position of the log counted once however often it was written."""
    of_log = F.when(F.col("partition") >= 0, F.col("offset"))
    counted = rows.groupBy("partition").agg(F.count("*").alias("rows"), F.count_distinct(of_log).alias("once"))
    found = counted.select(F.when(F.col("partition") < 0, F.col("rows")).otherwise(F.col("once")).alias("n"))
    total = found.agg(F.sum("n")).first()
    return int(total[0] or 0) if total else 0
