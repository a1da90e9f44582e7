"""Smallest and greatest value."""

from typing import Any

from lambda_core.features.aggregations.components import text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value


class Extreme(Aggregation):
    """What minimum and maximum share: the state is the extreme value itself."""

    sign: str

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = number.code
        self.plan = (f"{number.code}{self.sign}",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any]:  # noqa: ARG002 - equal values are one extreme
        """Return the state of one event."""
        return (value,)

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the extreme value; None when no event had a value."""
        return None if state is None else self.in_unit(state[0])

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregate of the extreme value."""
        return [text_sql(self.number.code, f"{self.name}({self.number.value_sql(str(given))})")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - null stays null
        return [text_sql(self.number.code, value)]


class Min(Extreme):
    """Smallest value of the column, in its own unit; None when no event had a value.

    Example:
        >>> Min().finish(Min().merge((3,), (-2,)))
        -2
    """

    name = "min"
    sign = "<"

    def combine(self, left: tuple[Any], right: tuple[Any]) -> tuple[Any]:
        """Keep the smaller value."""
        return (min(left[0], right[0]),)


class Max(Extreme):
    """Greatest value of the column, in its own unit; None when no event had a value.

    Example:
        >>> Max().finish(Max().merge((3,), (-2,)))
        3
    """

    name = "max"
    sign = ">"

    def combine(self, left: tuple[Any], right: tuple[Any]) -> tuple[Any]:
        """Keep the greater value."""
        return (max(left[0], right[0]),)
