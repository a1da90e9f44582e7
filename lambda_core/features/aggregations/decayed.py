"""Exponentially decayed sum: what an event counts for halves with every half-life since it happened."""

from typing import Any

from lambda_core.features.aggregations.components import text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, Value


class DecayedSum(Aggregation):
    """Sum of the column, each value halved once a half-life between its event and t, in the column's own unit.

    None when no event had a value; null values are not seen. Floating, whatever the column's type: equal within 1e-9 of
    the sum of the decayed magnitudes. The state is the greatest event time, and the sum as of then, so that it neither
    overflows nor vanishes with age; order and ties do not matter. An event that a read at the right edge counts although
    it happened after t weighs more than one.

    Args:
        number: the type of the values.
        half_life_ms: milliseconds in which a value's weight halves.
        expiry_ms: how long after the newest event there is still an answer, in milliseconds. None: for ever.

    Example:
        >>> heat = DecayedSum(half_life_ms=10)
        >>> state = heat.merge(heat.lift(8, Moment(0, 0, 0)), heat.lift(2, Moment(10, 0, 1)))
        >>> heat.finish(state, 10), heat.finish(state, 30)
        (6.0, 1.5)
    """

    name = "decayed_sum"
    takes = ("half_life_ms", "expiry_ms")
    needs = ("half_life_ms",)
    answers = "float"
    components = "if"

    def __init__(self, number: Number = INTEGER, half_life_ms: int = 1, expiry_ms: int | None = None) -> None:
        super().__init__(number)
        self.half_life_ms, self.expiry_ms = half_life_ms, expiry_ms
        self.parameters = (half_life_ms,)
        self.plan = (f"decay:{half_life_ms}",)

    def lift(self, value: Any, moment: Moment) -> tuple[int, float]:
        """Return the state of one event: its time and its value."""
        return (moment.event_time_ms, float(value) / float(10**self.number.scale) if self.number.exact else value)

    def combine(self, left: tuple[int, float], right: tuple[int, float]) -> tuple[int, float]:
        """Add the sums as of the later time."""
        (earlier, less), (later, more) = sorted((left, right))
        return (later, more + less * 2.0 ** ((earlier - later) / self.half_life_ms))

    def finish(self, state: State, t_ms: int = 0) -> Value:
        """Return the sum as of t."""
        if state is None or (self.expiry_ms is not None and t_ms - state[0] > self.expiry_ms):
            return None
        try:
            weight = 2.0 ** ((state[0] - t_ms) / self.half_life_ms)
        except OverflowError:
            weight = float("inf")
        return self.finite(state[1] * weight)

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregates of the greatest event time and the sum as of then."""
        last = f"max(case when {given} is not null then event_time_ms end)"
        events = f"collect_list(case when {given} is not null then named_struct('t', event_time_ms, 'v', "
        events += f"{self._double_sql(self.number.value_sql(str(given)))}) end)"
        # A leading underscore is in no source's column names, which the greatest time inside of the lambda may name.
        parts = f"transform({events}, _one -> _one.v * power(2D, (_one.t - {last}) / {self.half_life_ms}D))"
        total = f"aggregate({parts}, 0D, (_all, _one) -> _all + _one)"
        return [f"cast({last} as string)", text_sql("f", f"(case when {last} is not null then {total} end)")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        return [f"case when {seen} then cast(event_time_ms as string) end", text_sql("f", self._double_sql(value))]

    def _double_sql(self, value: str) -> str:
        return f"(cast({value} as double) / {10**self.number.scale}D)" if self.number.exact else value
