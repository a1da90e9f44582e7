"""Sum and mean: exact for integers and declared decimals, floating otherwise."""

from typing import Any

from lambda_core.features.aggregations.components import or_overflow_sql, text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value


class Sum(Aggregation):
    """Sum of the column, in its own unit; None when no event had a value.

    Example:
        >>> total = Sum(Number("decimal", 2))
        >>> total.finish(total.merge(total.lift(1050, Moment(1, 0, 0)), total.lift(-25, Moment(2, 0, 1))))
        10.25
    """

    name = "sum"

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = number.code
        self.plan = (f"{number.code}+",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any]:  # noqa: ARG002 - a sum has no order
        """Return the state of one event."""
        return (value,)

    def combine(self, left: tuple[Any], right: tuple[Any]) -> tuple[Any]:
        """Add the sums."""
        return (self.added(left[0], right[0]),)

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the sum."""
        return None if state is None else self.in_unit(state[0])

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregate of the sum."""
        return [sum_sql(self.number, str(given))]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - null stays null
        return [text_sql(self.number.code, value)]


class Mean(Aggregation):
    """Arithmetic mean of the column, in its own unit; None when no event had a value.

    Example:
        >>> mean = Mean()
        >>> mean.finish(mean.merge(mean.lift(2, Moment(1, 0, 0)), mean.lift(5, Moment(2, 0, 1))))
        3.5
    """

    name = "mean"
    answers = "float"

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "i" + number.code
        self.plan = ("i+", f"{number.code}+")

    def lift(self, value: Any, moment: Moment) -> tuple[int, Any]:  # noqa: ARG002 - a mean has no order
        """Return the state of one event: number and sum."""
        return (1, value)

    def combine(self, left: tuple[int, Any], right: tuple[int, Any]) -> tuple[int, Any]:
        """Add numbers and sums."""
        return (left[0] + right[0], self.added(left[1], right[1]))

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return sum / number, divided once, so that the answer is the double nearest to it."""
        if state is None:
            return None
        self.in_unit(state[1])
        return float(state[1] / (state[0] * 10**self.number.scale))

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregates of number and sum."""
        return [f"cast(nullif(count({given}), 0) as string)", sum_sql(self.number, str(given))]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        return [f"case when {seen} then '1' end", text_sql(self.number.code, value)]


class Share(Mean):
    """Share of the events that fulfil a condition, 0 to 1, among those where it is true or false.

    None when the condition was null for every event, or there was none. It has no column: it sees 1 where the condition
    is true, and 0 where it is false. The state is two exact counters, so that the answer is the double nearest to the share.

    Example:
        >>> share = Share()
        >>> share.finish(share.merge(share.lift(1, Moment(1, 0, 0)), share.lift(0, Moment(2, 0, 1))))
        0.5
    """

    name = "share"
    takes = ("condition",)
    needs = ("condition",)

    @classmethod
    def made(cls, number: Number, settings: dict[str, Any]) -> list[tuple[str, Aggregation]]:
        """Return the share; its condition is what it sees, and no part of the aggregation."""
        del number, settings
        return [(cls.name, cls())]


def sum_sql(number: Number, given: str) -> str:
    """Return the Spark SQL aggregate of an expression's sum as text; the error state where it left its range."""
    value = number.value_sql(given)
    if number.exact:
        return or_overflow_sql(f"sum(cast({value} as decimal(38,0)))", f"count({given}) > 0")
    return text_sql(number.code, f"sum({value})")
