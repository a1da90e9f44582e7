"""The latest and the first value: ordered by event time, then by position."""

from typing import Any

from lambda_core.features.aggregations.components import text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value


class OfOneEvent(Aggregation):
    """What latest and first share: the state is one event's moment and its value."""

    numbers = ("integer", "decimal", "float", "string")
    best_sql: str

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "iii" + number.code

    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:
        """Return the state of one event: its moment and its value."""
        return (*moment, value)

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the event's value; None when no event had one."""
        return None if state is None else self.in_unit(state[3])

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregates of the event's moment and its value."""
        row = f"{self.best_sql}({event_sql(self.number, str(given))})"
        moment = [f"cast({row}.{part} as string)" for part in "tpo"]
        return [*moment, text_sql(self.number.code, f"{row}.v")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        return [*moment_sql(seen), text_sql(self.number.code, value)]


class Latest(OfOneEvent):
    """Value of the event that is last by event time, then partition, then offset; null values are not seen.

    Args:
        number: the type of the values.
        expiry_ms: how long after its event a value is still the answer, in milliseconds, to the very millisecond; after
            that there is none, and not the one before it. None: for ever.

    Example:
        >>> latest = Latest(Number("string"))
        >>> state = latest.merge(latest.lift("new", Moment(5, 0, 1)), latest.lift("old", Moment(5, 0, 0)))
        >>> latest.finish(state)
        'new'
        >>> [Latest(Number("string"), expiry_ms=10).finish(state, t_ms) for t_ms in (15, 16)]
        ['new', None]
    """

    name = "latest"
    takes = ("expiry_ms",)
    plan = ("latest",)
    best_sql = "max"

    def __init__(self, number: Number = INTEGER, expiry_ms: int | None = None) -> None:
        super().__init__(number)
        self.expiry_ms = expiry_ms

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Keep the state of the later moment."""
        return left if left[:3] > right[:3] else right

    def finish(self, state: State, t_ms: int = 0) -> Value:
        """Return the latest value; None when no event had one, or when it expired."""
        if state is None or (self.expiry_ms is not None and t_ms - state[0] > self.expiry_ms):
            return None
        return self.in_unit(state[3])


class First(OfOneEvent):
    """Value of the event that is first by event time, then partition, then offset; null values are not seen.

    A late event that happened before the first becomes the first.

    Example:
        >>> first = First()
        >>> first.finish(first.merge(first.lift(7, Moment(5, 0, 1)), first.lift(8, Moment(5, 0, 0))))
        8
    """

    name = "first"
    plan = ("first",)
    best_sql = "min"

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Keep the state of the earlier moment."""
        return left if left[:3] < right[:3] else right


def event_sql(number: Number, given: str) -> str:
    """Return the Spark SQL of a row's moment and value, in the order of moments; null where the row is not seen."""
    return (
        f"case when {given} is not null then named_struct('t', event_time_ms, 'p', `partition`, "
        f"'o', `offset`, 'v', {number.value_sql(given)}) end"
    )


def moment_sql(seen: str) -> list[str]:
    """Return the Spark SQL of a row's moment as texts; null where the row is not seen."""
    return [
        f"case when {seen} then cast({part} as string) end" for part in ("event_time_ms", "`partition`", "`offset`")
    ]
