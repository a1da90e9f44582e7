"""What a raw table holds, seen in one pass before it is read: how many records, and which CSV headers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.errors import DataError
from lambda_core.schemas.tables import RAW_SCHEMA, raw

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext

MOST_HEADERS = 200


@dataclass(frozen=True)
class Survey:
    """A raw table's records, each position once.

    Attributes:
        frame: one row a record.
        records: how many these are.
        repeated: how many more rows the table has, whose position was there before.
        headers: the distinct headers of CSV files.
        objects: whether there may be records without a header, which are JSON objects.
    """

    frame: DataFrame
    records: int
    repeated: int
    headers: tuple[str, ...]
    objects: bool


def survey(context: RunContext, source_name: str) -> Survey:
    """Return what a source's raw table holds; no records for a topic from which none came yet.

    Raises:
        SchemaError: when a source with files was never ingested.
        DataError: when its files have more different headers than a source can mean.
    """
    frame = _raw(context, source_name)
    # Only the log can bring a position twice, when its raw writer begins anew; files are numbered under a lock.
    of_log = F.when(F.col("partition") >= 0, F.col("offset"))
    counted = frame.groupBy("partition", "header").agg(
        F.count(F.lit(1)).alias("rows"), F.count_distinct(of_log).alias("positions")
    )
    found = counted.limit(MOST_HEADERS * 100).collect()  # one row a partition and header
    rows = sum(row["rows"] for row in found)
    repeated = sum(row["rows"] - row["positions"] for row in found if row["partition"] >= 0)
    shapes = dict.fromkeys(row["header"] for row in found)
    headers = tuple(header for header in shapes if header is not None)
    if len(headers) > MOST_HEADERS:
        raise DataError(
            f"source {source_name}: expected files of at most {MOST_HEADERS} different headers, found {len(headers)}; "
            f"files of different kinds are different sources"
        )
    once = frame.dropDuplicates(["partition", "offset"]) if repeated else frame
    return Survey(once, rows - repeated, repeated, headers, objects=None in shapes or not shapes)


def _raw(context: RunContext, source_name: str) -> DataFrame:
    source, table = context.project.sources[source_name], raw(source_name)
    if source.files is None and not context.tables.exists(table):
        return context.spark.createDataFrame([], RAW_SCHEMA)
    # At one version: what the raw writer appends meanwhile would be counted by one job and not by another.
    return context.tables.read(table, context.tables.version(table) if context.tables.exists(table) else None)
