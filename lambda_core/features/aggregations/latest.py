"""The latest value: ordered by event time, then by position."""

from typing import Any

from lambda_core.features.aggregations.components import text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value


class Latest(Aggregation):
    """Value of the event that is last by event time, then partition, then offset; null values are not seen.

    Example:
        >>> latest = Latest(Number("string"))
        >>> latest.finish(latest.merge(latest.lift("new", Moment(5, 0, 1)), latest.lift("old", Moment(5, 0, 0))))
        'new'
    """

    name = "latest"
    plan = ("latest",)

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "iii" + number.code

    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:
        """Return the state of one event: its moment and its value."""
        return (*moment, value)

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Keep the state of the later moment."""
        return left if left[:3] > right[:3] else right

    def finish(self, state: State) -> Value:
        """Return the latest value; None when no event had one."""
        if state is None:
            return None
        return str(state[3]) if self.number.name == "string" else self.in_unit(state[3])

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregates of the last moment and its value."""
        row = (
            f"max(case when `{column}` is not null then named_struct('t', event_time_ms, 'p', `partition`, "
            f"'o', `offset`, 'v', {self.number.value_sql(str(column))}) end)"
        )
        moment = [f"cast({row}.{part} as string)" for part in "tpo"]
        return [*moment, text_sql(self.number.code, f"{row}.v")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        parts = ("event_time_ms", "`partition`", "`offset`")
        moment = [f"case when {seen} then cast({part} as string) end" for part in parts]
        return [*moment, text_sql(self.number.code, value)]
