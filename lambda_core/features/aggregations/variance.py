"""Sample variance and standard deviation: from exact moments, or from floating ones that stay accurate far from zero."""

import math
from typing import Any

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations.components import OVERFLOW, add_exact, or_overflow_sql, text_sql
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, TypeName
from lambda_core.features.aggregations.sums import sum_sql


class Variance(Aggregation):
    """Sample variance (divided by n - 1) of the column, in its unit squared; None below two values.

    Exact numbers keep (n, sum, sum of squares); floats keep (n, mean, M2). A sum of squares has one sign, so whether it
    leaves 38 digits does not depend on the order of merges.

    References:
        Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances. 1979.

    Example:
        >>> variance = Variance()
        >>> states = [variance.lift(value, Moment(0, 0, 0)) for value in (2, 4, 9)]
        >>> variance.finish(variance.merge(variance.merge(states[0], states[1]), states[2]))
        13.0
    """

    name = "variance"
    answers: TypeName | None = "float"

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "iii" if number.exact else "iff"
        self.plan = ("i+", "i+", "i+") if number.exact else ("chan",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:  # noqa: ARG002 - a variance has no order
        """Return the state of one event."""
        return (1, value, value * value) if self.number.exact else (1, value, 0.0)

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Add exact moments, or combine means and M2 by the pairwise formula."""
        if self.number.exact:
            return tuple(add_exact(a, b) for a, b in zip(left, right, strict=True))
        (n_left, mean_left, m2_left), (n_right, mean_right, m2_right) = left, right
        n = n_left + n_right
        delta = mean_right - mean_left
        mean = mean_left + delta * n_right / n
        return (n, mean, m2_left + m2_right + delta * delta * n_left * n_right / n)

    def finish(self, state: State, t_ms: int = 0) -> float | None:  # noqa: ARG002 - the same at any moment
        """Return the sample variance; exact kinds divide two exact integers once."""
        if state is None or state[0] < 2:
            return None
        n, total, squares = state
        if not self.number.exact:
            return self.finite(squares / (n - 1))
        if OVERFLOW in (total, squares):
            raise OverflowStateError(f"{self.name}: a sum of squares is outside 38 digits; declare a smaller scale")
        numerator = n * squares - total * total
        return float(numerator / (n * (n - 1) * 100**self.number.scale))

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregates of the three components."""
        value, seen = self.number.value_sql(str(given)), f"count({given})"
        count = f"cast(nullif({seen}, 0) as string)"
        if not self.number.exact:
            return [count, text_sql("f", f"avg({value})"), text_sql("f", f"(var_pop({value}) * nullif({seen}, 0))")]
        squares = f"sum(cast({value} * {value} as decimal(38,0)))"
        return [count, sum_sql(self.number, str(given)), or_overflow_sql(squares, f"{seen} > 0")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        one = f"case when {seen} then '1' end"
        if not self.number.exact:
            return [one, text_sql("f", value), f"case when {seen} then '0' end"]
        return [one, text_sql("i", value), or_overflow_sql(f"cast({value} * {value} as decimal(38,0))", seen)]


class Stddev(Variance):
    """Sample standard deviation of the column, in its own unit: the root of the variance; None below two values.

    It is kept as the variance, whose state it shares where both are asked for.

    Example:
        >>> stddev = Stddev()
        >>> stddev.finish(stddev.merge(stddev.lift(2, Moment(0, 0, 0)), stddev.lift(10, Moment(0, 0, 1))))
        5.656854249492381
    """

    name = "stddev"
    state_of = "variance"

    def finish(self, state: State, t_ms: int = 0) -> float | None:
        """Return the root of the sample variance."""
        variance = super().finish(state, t_ms)
        return None if variance is None else math.sqrt(variance)
