"""The past trains, the future tests; what lies within the label's delay of the border does neither."""

from __future__ import annotations

from datetime import UTC, datetime

from batch_layer.segregation.strategy import EMBARGO, TEST, TRAIN
from lambda_core.errors import ConfigError


class ByTime:
    """Splits by t: train in `[train_from, test_from - delay)`, embargo up to `test_from`, test from there on.

    Attributes:
        delay_ms: the label's delay: an outcome is known at the latest this long after t, in milliseconds.
        train_from, test_from: moments in ISO 8601; without a zone they are UTC.
        test_until: end of the test, excluded; None for no end.

    Example:
        >>> ByTime(delay_ms=86_400_000, train_from="2024-01-01", test_from="2024-02-01").test_from_ms()
        1706745600000
    """

    def __init__(self, delay_ms: int, train_from: str, test_from: str, test_until: str | None = None) -> None:
        self._delay_ms = delay_ms
        self._train_from_ms = _moment("train_from", train_from)
        self._test_from_ms = _moment("test_from", test_from)
        self._test_until_ms = None if test_until is None else _moment("test_until", test_until)
        if self._train_from_ms >= self._test_from_ms - delay_ms:
            raise ConfigError(
                f"split.parameters: expected train_from more than the label's delay ({delay_ms} ms) before test_from, "
                f"found {train_from} and {test_from}; no row would be left to train on"
            )

    def split_sql(self) -> str:
        """Return Spark SQL over t_ms: `train`, `embargo`, `test`, or null before the training and after the test."""
        until = "" if self._test_until_ms is None else f"when t_ms >= {self._test_until_ms}L then null "
        return (
            f"case when t_ms < {self._train_from_ms}L then null {until}"
            f"when t_ms >= {self._test_from_ms}L then '{TEST}' "
            f"when t_ms >= {self._test_from_ms - self._delay_ms}L then '{EMBARGO}' else '{TRAIN}' end"
        )

    def test_from_ms(self) -> int:
        """Return the start of the test in milliseconds."""
        return self._test_from_ms


def _moment(name: str, text: str) -> int:
    try:
        moment = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ConfigError(
            f"split.parameters.{name}: expected a moment like 2024-01-31T00:00:00Z, found {text!r}"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)
