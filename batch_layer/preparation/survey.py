"""What a raw table holds that is new, seen in one pass before it is read: how many records, and which CSV headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.progress import Progress, beyond
from lambda_core.errors import DataError
from lambda_core.schemas.tables import RAW_SCHEMA, raw

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext

MOST_HEADERS = 200


@dataclass(frozen=True)
class Survey:
    """A raw table's records beyond some positions, each position once.

    Attributes:
        frame: one row a record.
        records: how many these are.
        repeated: how many rows of the whole table have a position that was there before.
        positions: partition -> the offset that follows its last record; files are partition -1.
        headers: the distinct headers of CSV files. files: header -> one of the files that begin with it.
        objects: whether there may be records without a header, which are JSON objects.
    """

    frame: DataFrame
    records: int
    repeated: int
    positions: dict[int, int]
    headers: tuple[str, ...]
    files: dict[str, str]
    objects: bool


def survey(context: RunContext, source_name: str, known: Progress) -> Survey:
    """Return what a source's raw table holds beyond what is known; no records for a topic from which none came yet.

    The table is pinned to its version, so that what comes meanwhile is the next survey's.

    Raises:
        SchemaError: when a source that ingestion reads was never ingested.
        DataError: when its files have more different headers than a source can mean.
    """
    whole = _raw(context, source_name)
    frame = whole.where(beyond(known.positions))
    # Only the log can bring a position twice, when its raw writer begins anew; files are numbered under a lock.
    of_log = F.when(F.col("partition") >= 0, F.col("offset"))
    counted = frame.groupBy("partition", "header").agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_distinct(of_log).alias("positions"),
        F.max("offset").alias("last"),
        F.min("place").alias("place"),
    )
    found = counted.limit(MOST_HEADERS * 100).collect()  # one row a partition and header
    rows = sum(row["rows"] for row in found)
    again = sum(row["rows"] - row["positions"] for row in found if row["partition"] >= 0)
    ends: dict[int, int] = {}
    for row in found:
        ends[row["partition"]] = max(ends.get(row["partition"], 0), row["last"] + 1)
    shapes = dict.fromkeys(row["header"] for row in found)
    headers = tuple(header for header in shapes if header is not None)
    files = {row["header"]: row["place"] for row in found if row["header"] is not None}
    if len(headers) > MOST_HEADERS:
        raise DataError(
            f"source {source_name}: expected files of at most {MOST_HEADERS} different headers, found {len(headers)}; "
            f"files of different kinds are different sources"
        )
    once = frame.dropDuplicates(["partition", "offset"]) if again else frame
    records = rows - again
    repeated = whole.count() - known.counts.raw - records if known.positions else again  # Delta knows its count
    return Survey(once, records, repeated, ends, headers, files, objects=None in shapes or not shapes)


def _raw(context: RunContext, source_name: str) -> DataFrame:
    source, table = context.project.sources[source_name], raw(source_name)
    exists = context.tables.exists(table)
    if not source.is_offline and not exists:
        return context.spark.createDataFrame([], RAW_SCHEMA)
    return context.tables.read(table, context.tables.version(table) if exists else None)
