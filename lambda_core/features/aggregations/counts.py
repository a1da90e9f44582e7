"""Number of events."""

from typing import Any

from lambda_core.features.aggregations.contract import Aggregation, Moment, State, Value


class Count(Aggregation):
    """Number of events (without column), or of events whose column is not null; 0 when there was none.

    Example:
        >>> count = Count()
        >>> count.finish(count.merge(count.lift(7, Moment(1, 0, 0)), count.lift(7, Moment(2, 0, 1))))
        2
    """

    name = "count"
    numbers = ("integer", "decimal", "float", "string")
    nothing = 0
    answers = "integer"
    components = "i"
    plan = ("i+",)

    def lift(self, value: Any, moment: Moment) -> tuple[int]:  # noqa: ARG002 - counts whatever the value is
        """Return the state of one event."""
        return (1,)

    def combine(self, left: tuple[int], right: tuple[int]) -> tuple[int]:
        """Add the numbers of events."""
        return (left[0] + right[0],)

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the number of events, 0 when none was seen."""
        return 0 if state is None else int(state[0])

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregate of the number of events."""
        return [f"cast(nullif(count({'1' if given is None else given}), 0) as string)"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - counts whatever the value is
        return [f"case when {seen} then '1' end"]
