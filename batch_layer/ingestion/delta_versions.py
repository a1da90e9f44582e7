"""A Delta table of somebody else's: the rows that its versions appended, or all rows of one version."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.ingestion.rows import as_records, readable, shape
from batch_layer.ingestion.strategy import Batch
from lambda_core.errors import DataError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame

    from batch_layer.ingestion.strategy import Request
    from lambda_core.config.origins import DeltaTable as Declared

_FILE = "_metadata.file_path"


@dataclass(frozen=True)
class _Commit:
    """What one version did: whether it added rows, took rows away, or only wrote files anew (such as OPTIMIZE does)."""

    version: int
    adds: bool
    removes: bool
    rewrites: bool


class DeltaVersions:
    """The versions of a Delta table, each row once.

    *Incremental*: the first time all rows of the current version; later those of the versions since. *Full*: all rows of
    the current version, of which those that raw lacks are added.

    Versions since the last are cut into runs of appends, around those that only wrote files anew. The rows of a run are
    those in files of its last version that its begin did not have:

        version    4        5         6           7 (OPTIMIZE)     8
        files      a b      a b c     a b c d     e                e f
        run             (4, 6]: c d                        (7, 8]: f
    """

    def __init__(self, declared: Declared) -> None:
        self._declared = declared

    def batches(self, request: Request) -> Iterator[Batch]:
        """Return the batches that bring raw up to the current version.

        Raises:
            DataError: when there is no such table, or rows were changed or deleted in between where only appended ones
                are asked for, or the table's log no longer tells what was.
        """
        table = _Table(request, self._declared.path)
        since, now = request.since(self._declared.path), table.version
        if request.full or self._declared.mode == "full":
            yield self._batch(table, f"={now}", partial(table.read, now), now, whole=True)
            return
        if since is None:
            yield self._batch(table, f"-{now}", partial(table.read, now), now)
            return
        known_id, _, last = since.rpartition(":")
        if known_id != table.id:
            raise DataError(
                f"{table.place}: expected the table {known_id}, of which raw has version {last}, found {table.id}: it was "
                "made again; ingest with --full to add what raw lacks"
            )
        for begin, end in table.runs(int(last), now):
            yield self._batch(table, f"{begin}-{end}", partial(table.appended, begin, end), end)

    def _batch(self, table: _Table, span: str, rows: partial[DataFrame], version: int, *, whole: bool = False) -> Batch:
        return Batch(
            content=content_id("delta", table.id, span),
            place=self._declared.path,
            fingerprint=shape(table.read(version).schema),
            records=lambda: as_records(rows()),
            cursor=f"{table.id}:{version}",
            whole=whole,
            reading=partial(readable, table.place, "restore its files, or ingest with --full to add what raw lacks"),
        )


class _Table:
    """One Delta table, by its path."""

    def __init__(self, request: Request, path: str) -> None:
        from delta.tables import DeltaTable

        self._spark = request.spark
        self.path = path if "://" in path else str(Path(request.folder) / path)
        self.place = f"source {request.source}: Delta table {self.path}"
        try:
            table = DeltaTable.forPath(self._spark, self.path)
            self.id = str(table.detail().select("id").collect()[0]["id"])
            self.version = int(table.history(1).select("version").collect()[0]["version"])
        except PySparkException as error:
            raise DataError(
                f"{self.place}: expected a Delta table, found none that can be read: {str(error).splitlines()[0]}; correct "
                f"sources.{request.source}.delta.path or MAINSTEM_DATA"
            ) from error

    def read(self, version: int) -> DataFrame:
        """Return the table as it was at a version."""
        return self._spark.read.format("delta").option("versionAsOf", version).load(self.path)

    def appended(self, begin: int, end: int) -> DataFrame:
        """Return the rows in files of version `end` that version `begin` did not have."""
        known = self.read(begin).select(F.col(_FILE).alias("_known")).distinct()
        now, names = self.read(end), self.read(end).columns
        found = now.withColumn("_file", F.col(_FILE))
        return found.join(F.broadcast(known), F.col("_file") == F.col("_known"), "left_anti").select(
            *(F.col(f"`{name.replace('`', '``')}`") for name in names)
        )

    def runs(self, last: int, now: int) -> Iterator[tuple[int, int]]:
        """Return (version before, last version) of each run of appends after `last`, up to `now`.

        Raises:
            DataError: when a version took rows away, or is not in the log any more.
        """
        begin, end = last, last
        for commit in self._commits(last + 1, now):
            if commit.removes:
                raise DataError(
                    f"{self.place}: expected versions that only append after {last}, found that {commit.version} changes or "
                    "deletes rows; say `mode: full`, which adds the rows that raw lacks, or ingest with --full"
                )
            if commit.rewrites:
                if end > begin:
                    yield begin, end
                begin = end = commit.version
            elif commit.adds:
                end = commit.version
        if end > begin:
            yield begin, end

    def _commits(self, first: int, last: int) -> list[_Commit]:
        """Return what each of these versions did, from the table's log; one small row a version."""
        if first > last:
            return []
        names = [f"{self.path}/_delta_log/{version:020}.json" for version in range(first, last + 1)]
        actions = "add struct<dataChange: boolean>, remove struct<dataChange: boolean>"
        try:
            log = self._spark.read.schema(actions).json(names)
            version = F.element_at(F.split(F.col(_FILE), "/"), -1).substr(1, 20).cast("bigint")
            rows = log.groupBy(version.alias("version")).agg(
                F.coalesce(F.bool_or("add.dataChange"), F.lit(False)).alias("adds"),  # noqa: FBT003
                F.coalesce(F.bool_or("remove.dataChange"), F.lit(False)).alias("removes"),  # noqa: FBT003
                F.coalesce(F.bool_or(~F.col("add.dataChange")), F.lit(False)).alias("rewrites"),  # noqa: FBT003
            )
            return [_Commit(**row.asDict()) for row in rows.sort("version").collect()]
        except PySparkException as error:
            raise DataError(
                f"{self.place}: expected its log from version {first} on, found that versions are gone; ingest with --full "
                f"to add what raw lacks: {str(error).splitlines()[0]}"
            ) from error
