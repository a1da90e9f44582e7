"""The first share of the rows in the order of t trains, what comes after it tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.by_time import around_border_sql
from batch_layer.segregation.ranking import in_first_share, placed
from batch_layer.segregation.strategy import TRAIN, Strategy, share
from lambda_core.features.windows import HOUR_MS

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class InSequence(Strategy):
    """Splits by place in time: the test begins with the row behind the first share of all rows.

    The border is that row's t: rows of the same moment all test, so that the past trains, and rows less than the label's
    delay before it are in the embargo. So the ratio is exact for the border, and less than it trains.

    Attributes:
        delay_ms: the label's delay, in milliseconds.
        train: share of the rows before the border (above 0, below 1).

    Example: half of six rows is three; the label is known 2 ms after t, and so not that of `c` when the test begins.

        >>> rows = spark.sql("select * from values ('f', 60), ('d', 31), ('a', 10), ('c', 30), ('e', 40), ('b', 20)"
        ...     " as t(prediction_key, t_ms)")
        >>> InSequence(delay_ms=2, train=0.5).assign(rows).orderBy("t_ms").show()
        +--------------+----+-------+
        |prediction_key|t_ms|  split|
        +--------------+----+-------+
        |             a|  10|  train|
        |             b|  20|  train|
        |             c|  30|embargo|
        |             d|  31|   test|
        |             e|  40|   test|
        |             f|  60|   test|
        +--------------+----+-------+
    """

    ordered = True

    def __init__(self, delay_ms: int, train: float = 0.8) -> None:
        self._delay_ms = delay_ms
        self._train = share(train)

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split; the border is one number that the driver is told."""
        order = F.col("t_ms"), F.col("prediction_key")
        in_order = placed(rows.select("t_ms", "prediction_key"), [], order, F.expr(f"t_ms div {HOUR_MS}"))
        first = in_order.where(~in_first_share(self._train)).agg(F.min("t_ms")).first()
        if first is None or first[0] is None:
            return rows.withColumn("split", F.lit(TRAIN))
        return rows.withColumn("split", F.expr(around_border_sql(int(first[0]), self._delay_ms)))
