"""The place of every row in an order, within its stratum, without sorting all rows in one task.

    1. Every row has a bucket: something coarse that ascends as the order does (the hour of t, some leading digits).
    2. The buckets are counted: one small row a (stratum, bucket).
    3. A running sum over the counts says how many rows lie in earlier buckets.
    4. Rows are numbered within their bucket, where they are: place = rows before the bucket + number within it.

So a task sorts one bucket of one stratum, and the driver sees nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql.window import Window

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import Column, DataFrame

PLACE, SIZE = "_place", "_size"
_STRATUM, _BUCKET = "_stratum", "_bucket"


def placed(rows: DataFrame, strata: Sequence[str], order: Sequence[Column], bucket: Column) -> DataFrame:
    """Return the rows with PLACE, from 1, in their stratum, and SIZE, the number of the stratum's rows.

    Args:
        rows: the rows.
        strata: columns whose equal values make a stratum (null is a value); none: all rows are one.
        order: what decides; no two rows of a stratum may be equal in all of it.
        bucket: never null, and never descending in the order.
    """
    stratum = F.to_json(F.struct(*strata)) if strata else F.lit("")
    marked = rows.withColumns({_STRATUM: stratum, _BUCKET: bucket})
    counts = marked.groupBy(_STRATUM, _BUCKET).agg(F.count("*").alias("_rows"))
    own = Window.partitionBy(_STRATUM)
    earlier = own.orderBy(_BUCKET).rowsBetween(Window.unboundedPreceding, -1)
    before = counts.select(
        F.col(_STRATUM).alias("_of"),
        F.col(_BUCKET).alias("_at"),
        F.coalesce(F.sum("_rows").over(earlier), F.lit(0)).alias("_before"),
        F.sum("_rows").over(own).alias(SIZE),
    )
    within = F.row_number().over(Window.partitionBy(_STRATUM, _BUCKET).orderBy(*order))
    numbered = marked.withColumn("_within", within)
    joined = numbered.join(F.broadcast(before), (F.col(_STRATUM) == F.col("_of")) & (F.col(_BUCKET) == F.col("_at")))
    return joined.select(*rows.columns, (F.col("_before") + F.col("_within")).alias(PLACE), SIZE)


def in_first_share(train: float) -> Column:
    """Return whether a placed row lies in the first share of its stratum, rounded to the nearest whole row."""
    return F.col(PLACE) <= F.floor(F.col(SIZE) * F.lit(train) + F.lit(0.5))
