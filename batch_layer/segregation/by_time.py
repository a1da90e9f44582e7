"""The past trains, the future tests; what lies within the label's delay of the border does neither."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.segregation.strategy import EMBARGO, TEST, TRAIN, Strategy
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


class ByTime(Strategy):
    """Splits by t: train in `[train_from, test_from - delay)`, embargo up to `test_from`, test from there on.

    Attributes:
        delay_ms: the label's delay: an outcome is known at the latest this long after t, in milliseconds.
        train_from, test_from: moments in ISO 8601; without a zone they are UTC.
        test_until: end of the test, excluded; None for no end.

    Example: the label is known a day after t, so what asked on the day before the test does not train.

        >>> rows = spark.sql("select key prediction_key, unix_millis(timestamp(day)) t_ms from values"
        ...     " ('a', '2023-12-31'), ('b', '2024-01-01'), ('c', '2024-01-30'), ('d', '2024-01-31'),"
        ...     " ('e', '2024-02-01'), ('f', '2024-02-09') as t(key, day)")
        >>> one = ByTime(delay_ms=86_400_000, train_from="2024-01-01", test_from="2024-02-01", test_until="2024-02-08")
        >>> one.assign(rows).orderBy("t_ms").show()
        +--------------+-------------+-------+
        |prediction_key|         t_ms|  split|
        +--------------+-------------+-------+
        |             a|1703980800000|   NULL|
        |             b|1704067200000|  train|
        |             c|1706572800000|  train|
        |             d|1706659200000|embargo|
        |             e|1706745600000|   test|
        |             f|1707436800000|   NULL|
        +--------------+-------------+-------+
    """

    ordered = True

    def __init__(self, delay_ms: int, train_from: str, test_from: str, test_until: str | None = None) -> None:
        self._train_from_ms = _moment("train_from", train_from)
        self._test_from_ms = _moment("test_from", test_from)
        self._test_until_ms = None if test_until is None else _moment("test_until", test_until)
        self._delay_ms = delay_ms
        if self._train_from_ms >= self._test_from_ms - delay_ms:
            raise ConfigError(
                f"split.parameters: expected train_from more than the label's delay ({delay_ms} ms) before test_from, "
                f"found {train_from} and {test_from}; no row would be left to train on"
            )
        if self._test_until_ms is not None and self._test_until_ms <= self._test_from_ms:
            raise ConfigError(
                f"split.parameters: expected test_until after test_from, found {test_until} and {test_from}; "
                "no row would be left to test on"
            )

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with their split, which depends on each one's t alone."""
        until = "" if self._test_until_ms is None else f"when t_ms >= {self._test_until_ms}L then null "
        around = around_border_sql(self._test_from_ms, self._delay_ms)
        return rows.withColumn(
            "split", F.expr(f"case when t_ms < {self._train_from_ms}L then null {until}else {around} end")
        )


def around_border_sql(test_from_ms: int, delay_ms: int) -> str:
    """Return Spark SQL over t_ms: `test` from the border on, `embargo` a delay before it, else `train`."""
    return (
        f"case when t_ms >= {test_from_ms}L then '{TEST}' "
        f"when t_ms >= {test_from_ms - delay_ms}L then '{EMBARGO}' else '{TRAIN}' end"
    )


def _moment(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ConfigError(
            f"split.parameters.{name}: expected a moment like 2024-01-31T00:00:00Z, found {text!r}"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
