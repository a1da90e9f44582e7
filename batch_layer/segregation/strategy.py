"""The contract of a way to split training rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

TRAIN, TEST, EMBARGO = "train", "test", "embargo"


class Strategy(Protocol):
    """Says which split each training row belongs to.

    It is made with the parameters of the settings as keyword arguments and the label's `delay_ms` (milliseconds), and
    raises ConfigError for parameters that make no sense. Equal rows have to get equal splits in every run, whatever
    their order and however Spark parted them. Derive one's own from this class, or leave what is not so unsaid.

    Attributes:
        ordered: whether all of the training lies before all of the test, so that no training label may still be open
            when the test begins.
        apart: the entities that it keeps from being on both sides, and by default the only ones for which the leak
            check refuses; None: it is refused for every entity of the feature set.
    """

    ordered: bool = False
    apart: tuple[str, ...] | None = None

    def __init__(self, delay_ms: int, **parameters: Any) -> None: ...

    def assign(self, rows: DataFrame) -> DataFrame:
        """Return the rows with a column `split`: `train`, `test`, `embargo` (neither), or null to leave a row out.

        Args:
            rows: one row an asking event: `prediction_key`, `t_ms`, `label` (0, 1 or null), `label_known_ms`, the
                column that models are parted by, `entities` (entity -> canonical key), and the vector's values.
        """
        ...


def share(value: Any) -> float:
    """Return a share of the rows that is to train.

    Raises:
        ConfigError: when it is no number between 0 and 1, neither included.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1:
        raise ConfigError(
            f"split.parameters.train: expected the share of rows to train on, above 0 and below 1, found {value!r}"
        )
    return float(value)


def text(name: str, value: Any) -> str:
    """Return a text.

    Raises:
        ConfigError: when it is none.
    """
    if not isinstance(value, str):
        raise ConfigError(f"split.parameters.{name}: expected a text, found {value!r}")
    return value


def whole(name: str, value: Any) -> int:
    """Return a whole number.

    Raises:
        ConfigError: when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"split.parameters.{name}: expected a whole number, found {value!r}")
    return value
