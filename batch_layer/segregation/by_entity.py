"""All rows of an entity are on the same side, so that a model is judged on entities that it never saw."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.drawing import split_by_lot_sql
from batch_layer.segregation.strategy import Strategy, share, text, whole

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class ByEntity(Strategy):
    """Splits by the entity's lot, a hash of its key and the seed: an entity trains if its lot is below the share.

    An entity keeps its split when others come or go. A row without the entity draws by its own key.

    Attributes:
        entity: name of an entity that a group of the feature set is about.
        train: share of the entities that train, about (above 0, below 1); of the rows, the more evenly they are spread.
        seed: another one is another split.

    Example: both rows of ann go the same way, and so do those of bob; `e` has no buyer.

        >>> rows = spark.sql("select key prediction_key, map('buyer', buyer) entities from values"
        ...     " ('a', 'ann'), ('b', 'bob'), ('c', 'bob'), ('d', 'ann'), ('e', null) as t(key, buyer)")
        >>> ByEntity(delay_ms=0, entity="buyer", train=0.5, seed=7).assign(rows).show()
        +--------------+---------------+-----+
        |prediction_key|       entities|split|
        +--------------+---------------+-----+
        |             a| {buyer -> ann}|train|
        |             b| {buyer -> bob}| test|
        |             c| {buyer -> bob}| test|
        |             d| {buyer -> ann}|train|
        |             e|{buyer -> NULL}| test|
        +--------------+---------------+-----+
    """

    def __init__(
        self,
        delay_ms: int,  # noqa: ARG002 - the contract's
        entity: str,
        train: float = 0.8,
        seed: int = 0,
    ) -> None:
        self._entity = text("entity", entity)
        self.apart = (self._entity,)
        self._train = share(train)
        self._seed = whole("seed", seed)

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split, which depends on each one's entity alone."""
        entity = f"entities['{self._entity}']"
        # Behind a letter, so that no key of an entity is also a row's.
        key = f"coalesce(concat('e', {entity}), concat('r', prediction_key))"
        return rows.withColumn("split", F.expr(split_by_lot_sql(self._seed, key, self._train)))
