"""Every stratum is split alike, so that both sides have the same share of each label."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batch_layer.segregation.shuffled import first_share_by_lot
from batch_layer.segregation.strategy import Strategy, share, whole
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class Stratified(Strategy):
    """Splits each stratum by place in an order drawn by lot: the share is exact in every one, to the nearest row.

    Attributes:
        train: share of each stratum's rows that train (above 0, below 1).
        by: columns whose equal values make a stratum (null is a value, too); by default the label.
        seed: another one is another order.

    Example: half of the ones and half of the zeros train; of a stratum of one row, that row does.

        >>> rows = spark.sql("select * from values ('a', 0), ('b', 0), ('c', 0), ('d', 0), ('e', 1), ('f', 1),"
        ...     " ('g', null) as t(prediction_key, label)")
        >>> Stratified(delay_ms=0, train=0.5).assign(rows).orderBy("prediction_key").show()
        +--------------+-----+-----+
        |prediction_key|label|split|
        +--------------+-----+-----+
        |             a|    0|train|
        |             b|    0|train|
        |             c|    0| test|
        |             d|    0| test|
        |             e|    1|train|
        |             f|    1| test|
        |             g| NULL|train|
        +--------------+-----+-----+
    """

    def __init__(
        self,
        delay_ms: int,  # noqa: ARG002 - the contract's
        train: float = 0.8,
        by: Any = ("label",),
        seed: int = 0,
    ) -> None:
        self._train = share(train)
        self._seed = whole("seed", seed)
        if not isinstance(by, list | tuple) or not by or not all(isinstance(name, str) for name in by):
            raise ConfigError(f"split.parameters.by: expected a list of columns, found {by!r}")
        self._by = list(by)

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split.

        Raises:
            ConfigError: when the rows have no such column.
        """
        unknown = [name for name in self._by if name not in rows.columns or name == "entities"]
        if unknown:
            raise ConfigError(
                f"split.parameters.by: expected columns out of "
                f"{', '.join(name for name in rows.columns if name != 'entities')}; found {', '.join(unknown)}"
            )
        return first_share_by_lot(rows, self._by, self._train, self._seed)
