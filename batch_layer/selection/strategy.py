"""The contract of a way to select values, and what those of the menu share: the best by their scores."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batch_layer.training.strategy import TrainingRows


class Selected(NamedTuple):
    """The names that stay, and what every name scored, by name: the more, the better."""

    names: list[str]
    scores: dict[str, float]


class Selection(Protocol):
    """Says how much each value of the training rows is worth, and which of them stay.

    It is made with the parameters of the settings as keyword arguments and used inside a Spark task; a user's own class
    is named in the settings by its dotted path, and must be importable on the executors. Equal rows must give equal lists.
    """

    def select(self, rows: TrainingRows) -> Selected:
        """Return the names that stay, in any order, and what each name scored."""
        ...


def best(scores: Mapping[str, float], keep: int | None, least: float | None = None) -> list[str]:
    """Return the names with the highest scores; of equal scores the one that comes first in the vector is ahead.

    Args:
        scores: by name, in the order of the vector.
        keep: how many stay at most; None for no limit.
        least: lowest score that stays; None for no bound.

    Example:
        >>> best({"a": 0.1, "b": 0.5, "c": 0.5, "d": 0.3}, keep=2)
        ['b', 'c']
        >>> best({"a": 0.1, "b": 0.5, "c": 0.5, "d": 0.3}, keep=None, least=0.3)
        ['b', 'c', 'd']
    """
    ahead = sorted((name for name in scores if least is None or scores[name] >= least), key=lambda name: -scores[name])
    return ahead[:keep]


def number(place: str, value: Any, low: float, high: float | None = None) -> float:
    """Return a parameter that is a number in `[low, high]`; None for no upper bound.

    Raises:
        ConfigError: when it is none.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not low <= value or (high is not None and value > high):
        bounds = f"from {low} on" if high is None else f"from {low} to {high}"
        raise ConfigError(f"select.parameters.{place}: expected a number {bounds}, found {value!r}")
    return float(value)


def count(place: str, value: Any, low: int = 1) -> int:
    """Return a parameter that is a whole number, at least `low`.

    Raises:
        ConfigError: when it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < low:
        raise ConfigError(f"select.parameters.{place}: expected a whole number from {low} on, found {value!r}")
    return value
