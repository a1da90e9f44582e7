"""Each row draws its own split, whatever the others draw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.drawing import split_by_lot_sql
from batch_layer.segregation.strategy import Strategy, share, whole

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Random(Strategy):
    """Splits by lot: a row trains if its lot, a hash of its key and the seed, is below the share.

    A row keeps its split when rows are added or leave, so the share is met about as well as by coin. For rows that have
    nothing to do with one another; the leak check says where they have.

    Attributes:
        train: share of the rows that train, about (above 0, below 1).
        seed: another one is another split.

    Example: see `drawing.lot`: with seed 7 the lots of a, b, c, d are 0.74, 0.39, 0.85 and 0.00.

        >>> rows = spark.sql("select * from values ('a'), ('b'), ('c'), ('d') as t(prediction_key)")
        >>> Random(delay_ms=0, train=0.5, seed=7).assign(rows).show()
        +--------------+-----+
        |prediction_key|split|
        +--------------+-----+
        |             a| test|
        |             b|train|
        |             c| test|
        |             d|train|
        +--------------+-----+
        >>> Random(delay_ms=0, train=0.5, seed=7).assign(rows.where("prediction_key > 'b'")).show()
        +--------------+-----+
        |prediction_key|split|
        +--------------+-----+
        |             c| test|
        |             d|train|
        +--------------+-----+
    """

    def __init__(self, delay_ms: int, train: float = 0.8, seed: int = 0) -> None:  # noqa: ARG002 - the contract's
        self._train = share(train)
        self._seed = whole("seed", seed)

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split, which depends on each one's key alone."""
        return rows.withColumn("split", F.expr(split_by_lot_sql(self._seed, "prediction_key", self._train)))
