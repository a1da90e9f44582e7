"""Rows are shuffled; the first share of them trains, exactly."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.drawing import drawn_sql
from batch_layer.segregation.ranking import PLACE, SIZE, in_first_share, placed
from batch_layer.segregation.strategy import TEST, TRAIN, Strategy, share, whole

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame


class Shuffled(Strategy):
    """Splits by place in an order drawn by lot, so that the share is exact to the nearest row.

    The order is that of the rows' own lots (a hash of key and seed), so it is the same in every run; but a row that is
    added may move the border, and with it one other row.

    Attributes:
        train: share of the rows that train (above 0, below 1).
        seed: another one is another order.

    Example: see `drawing.lot`: with seed 7 they ascend as d, b, a, c; three quarters of four are three.

        >>> rows = spark.sql("select * from values ('a'), ('b'), ('c'), ('d') as t(prediction_key)")
        >>> Shuffled(delay_ms=0, train=0.75, seed=7).assign(rows).orderBy("prediction_key").show()
        +--------------+-----+
        |prediction_key|split|
        +--------------+-----+
        |             a|train|
        |             b|train|
        |             c| test|
        |             d|train|
        +--------------+-----+
    """

    def __init__(self, delay_ms: int, train: float = 0.8, seed: int = 0) -> None:  # noqa: ARG002 - the contract's
        self._train = share(train)
        self._seed = whole("seed", seed)

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split."""
        return first_share_by_lot(rows, [], self._train, self._seed)


def first_share_by_lot(rows: DataFrame, strata: Sequence[str], train: float, seed: int) -> DataFrame:
    """Return the rows with their split: of each stratum, the first share in the order of lots trains."""
    drawn = F.expr(drawn_sql(seed, "prediction_key"))
    in_order = placed(rows, strata, (drawn, F.col("prediction_key")), F.substring(drawn, 1, 3))
    split = F.when(in_first_share(train), TRAIN).otherwise(TEST)
    return in_order.withColumn("split", split).drop(PLACE, SIZE)
