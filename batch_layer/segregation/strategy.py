"""The contract of a way to split training rows."""

from __future__ import annotations

from typing import Any, Protocol

TRAIN, TEST, EMBARGO = "train", "test", "embargo"


class Strategy(Protocol):
    """Says which split a training row belongs to, from its own columns alone.

    An implementation is made with the parameters of the settings as keyword arguments and the label's `delay_ms`; it
    raises ConfigError for parameters that make no sense.
    """

    def __init__(self, delay_ms: int, **parameters: Any) -> None: ...

    def split_sql(self) -> str:
        """Return Spark SQL over t_ms and the row's other columns: `train`, `test`, `embargo`, or null to leave it out."""
        ...

    def test_from_ms(self) -> int:
        """Return the start of the test in milliseconds: no training row's label may still be open then."""
        ...
