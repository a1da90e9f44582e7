"""Aggregations as small mergeable states, and their rendering in Spark SQL and for the Redis script.

A state is None (no event with a value yet) or a tuple of components. `merge` is associative and commutative, and None
is its neutral element, so any tree of merges over the same events gives the same state:

    lift(value, moment)  the state of one event          merge(left, right)  the state of both sides' events
    finish(state)        the answer of a state           encode / decode     the state as short texts, one a component

Exact kinds (integers, declared decimals as scaled integers, extremes, latest values) are equal to the last bit whatever
the order; floating sums agree within 1e-9 of the sum of magnitudes. Events whose column is null are not seen by any
aggregation over that column. Ties of `latest` are broken by event time, then partition, then offset.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from lambda_core.errors import OverflowStateError

TypeName = Literal["integer", "decimal", "float", "string"]
State = tuple[Any, ...] | None
Value = int | float | str | None

OVERFLOW = "!"
"""The component of a state that left its range: it absorbs whatever is merged with it."""
_LIMIT = 10**38
_INT64 = 2**63


class Moment(NamedTuple):
    """An event's place in time and in its source: event time in milliseconds, then partition and offset."""

    event_time_ms: int
    partition: int
    offset: int


@dataclass(frozen=True)
class Number:
    """The type of the values that an aggregation sees.

    Attributes:
        name: `integer` (64 bits), `decimal` (a scaled 64-bit integer), `float` (finite double) or `string`.
        scale: digits after the point of a decimal, 0 to 9; 0 for every other type.
    """

    name: TypeName
    scale: int = 0

    @property
    def exact(self) -> bool:
        """Tell whether sums of such values are exact."""
        return self.name in ("integer", "decimal")

    @property
    def code(self) -> str:
        """Return the letter that merge plans use: `i` exact number, `f` float, `s` text."""
        return "i" if self.exact else self.name[0]

    def value_sql(self, column: str) -> str:
        """Return the Spark SQL of the column as this type's component: decimals as scaled integers."""
        if self.name == "decimal":
            return f"cast(cast(`{column}` as decimal(18,{self.scale})) * {10**self.scale}BD as decimal(19,0))"
        target = {"integer": "decimal(19,0)", "float": "double", "string": "string"}[self.name]
        return f"cast(`{column}` as {target})"


INTEGER = Number("integer")


class Aggregation(ABC):
    """One aggregation over one type of value. Subclasses are stateless; states are passed in and out.

    Attributes:
        components: the code of each component: `i` integer, `f` float, `s` text.
        plan: how the Redis script merges: one operator for each run of components (`i+`, `f+`, `i<`, `i>`, `f<`,
            `f>` take one component, `chan` three, `latest` four).
    """

    name: str
    components: str
    plan: tuple[str, ...]

    def __init__(self, number: Number = INTEGER) -> None:
        self.number = number

    def zero(self) -> State:
        """Return the state of no event."""
        return None

    def update(self, state: State, value: Value, moment: Moment) -> State:
        """Return the state with one more event."""
        return self.merge(state, None if value is None else self.lift(value, moment))

    def merge(self, left: State, right: State) -> State:
        """Return the state of the events of both sides, which have none in common."""
        if left is None:
            return right
        return left if right is None else self.combine(left, right)

    @abstractmethod
    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:
        """Return the state of one event with a value."""

    @abstractmethod
    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the merge of two states that both have seen an event."""

    @abstractmethod
    def finish(self, state: State) -> Value:
        """Return the answer in the column's own unit; None where no event gives one.

        Raises:
            OverflowStateError: when the state left its type's range.
        """

    @abstractmethod
    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return one Spark SQL aggregate a component: null where the state is None."""

    def lift_sql(self, column: str | None) -> list[str]:
        """Return one Spark SQL expression a component for the state of a single row; null for a null column."""
        value = "1" if column is None else self.number.value_sql(column)
        return self._lift_sql(value, "true" if column is None else f"`{column}` is not null")

    @abstractmethod
    def _lift_sql(self, value: str, seen: str) -> list[str]: ...

    def encode(self, state: State) -> list[str]:
        """Return the state as texts, one a component; all empty for the state of no event."""
        if state is None:
            return [""] * len(self.components)
        return [encode_component(code, part) for code, part in zip(self.components, state, strict=True)]

    def decode(self, texts: list[str]) -> State:
        """Return the state that `encode` was given."""
        if texts[0] == "":
            return None
        return tuple(decode_component(code, text) for code, text in zip(self.components, texts, strict=True))

    def _in_unit(self, total: int | float) -> Value:
        if self.number.name == "float":
            return total
        if abs(total) >= _INT64:
            raise OverflowStateError(f"{self.name}: {total} is outside 64 bits; declare a smaller scale or a float")
        return total / 10**self.number.scale if self.number.scale else total


def encode_component(code: str, part: Any) -> str:
    """Return one component as text: integers in full, floats with 17 digits (-0 as 0), text as it is."""
    if code == "i":
        return str(part) if abs(part) < _LIMIT else OVERFLOW
    return "%.17g" % (part + 0.0) if code == "f" else str(part)


def decode_component(code: str, text: str) -> Any:
    """Return the component that `encode_component` was given; an overflow as a number beyond every range."""
    if code == "i":
        return _LIMIT * 10 if text == OVERFLOW else int(text)
    return float(text) if code == "f" else text


class Count(Aggregation):
    """Number of events (without column), or of events whose column is not null; 0 when there was none.

    Example:
        >>> count = Count()
        >>> count.finish(count.merge(count.lift(7, Moment(1, 0, 0)), count.lift(7, Moment(2, 0, 1))))
        2
    """

    name = "count"
    components = "i"
    plan = ("i+",)

    def lift(self, value: Any, moment: Moment) -> tuple[int]:  # noqa: ARG002 - counts whatever the value is
        """Return the state of one event."""
        return (1,)

    def combine(self, left: tuple[int], right: tuple[int]) -> tuple[int]:
        """Add the numbers of events."""
        return (left[0] + right[0],)

    def finish(self, state: State) -> Value:
        """Return the number of events, 0 when none was seen."""
        return 0 if state is None else int(state[0])

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregate of the number of events."""
        return [f"nullif(count({'1' if column is None else f'`{column}`'}), 0)"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - counts whatever the value is
        return [f"case when {seen} then 1 end"]


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

    def lift(self, value: Any, moment: Moment) -> tuple[Any]:  # noqa: ARG002
        """Return the state of one event."""
        return (value,)

    def combine(self, left: tuple[Any], right: tuple[Any]) -> tuple[Any]:
        """Add the sums."""
        return (left[0] + right[0],)

    def finish(self, state: State) -> Value:
        """Return the sum."""
        return None if state is None else self._in_unit(state[0])

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregate of the sum."""
        return [f"sum({self.number.value_sql(str(column))})"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - null stays null
        return [value]


class Mean(Aggregation):
    """Arithmetic mean of the column, in its own unit; None when no event had a value.

    Example:
        >>> mean = Mean()
        >>> mean.finish(mean.merge(mean.lift(2, Moment(1, 0, 0)), mean.lift(5, Moment(2, 0, 1))))
        3.5
    """

    name = "mean"

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "i" + number.code
        self.plan = ("i+", f"{number.code}+")

    def lift(self, value: Any, moment: Moment) -> tuple[int, Any]:  # noqa: ARG002
        """Return the state of one event: number and sum."""
        return (1, value)

    def combine(self, left: tuple[int, Any], right: tuple[int, Any]) -> tuple[int, Any]:
        """Add numbers and sums."""
        return (left[0] + right[0], left[1] + right[1])

    def finish(self, state: State) -> Value:
        """Return sum / number, divided once, so that the answer is the nearest double."""
        if state is None:
            return None
        self._in_unit(state[1])
        return float(state[1] / (state[0] * 10**self.number.scale))

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregates of number and sum."""
        return [f"nullif(count(`{column}`), 0)", f"sum({self.number.value_sql(str(column))})"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        return [f"case when {seen} then 1 end", value]


class Variance(Aggregation):
    """Sample variance (divided by n - 1) of the column, in its unit squared; None below two values.

    Exact numbers keep (n, sum, sum of squares); floats keep (n, mean, M2).

    References:
        Chan, Golub, LeVeque: Updating formulae and a pairwise algorithm for computing sample variances. 1979.

    Example:
        >>> variance = Variance()
        >>> states = [variance.lift(value, Moment(0, 0, 0)) for value in (2, 4, 9)]
        >>> variance.finish(variance.merge(variance.merge(states[0], states[1]), states[2]))
        13.0
    """

    name = "variance"

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = "iii" if number.exact else "iff"
        self.plan = ("i+", "i+", "i+") if number.exact else ("chan",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any, ...]:  # noqa: ARG002
        """Return the state of one event."""
        return (1, value, value * value) if self.number.exact else (1, value, 0.0)

    def combine(self, left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
        """Add exact moments, or combine means and M2 by the pairwise formula."""
        if self.number.exact:
            return tuple(a + b for a, b in zip(left, right, strict=True))
        (n_left, mean_left, m2_left), (n_right, mean_right, m2_right) = left, right
        n = n_left + n_right
        delta = mean_right - mean_left
        mean = mean_left + delta * n_right / n
        return (n, mean, m2_left + m2_right + delta * delta * n_left * n_right / n)

    def finish(self, state: State) -> Value:
        """Return the sample variance; exact kinds divide two exact integers once."""
        if state is None or state[0] < 2:  # noqa: PLR2004 - a sample variance needs two values
            return None
        n, total, squares = state
        if not self.number.exact:
            return float(squares / (n - 1))
        if squares >= _LIMIT:
            raise OverflowStateError(f"{self.name}: a sum of squares is outside 38 digits; declare a smaller scale")
        numerator = n * squares - total * total
        return float(numerator / (n * (n - 1) * 100**self.number.scale))

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregates of the three components."""
        value, count = self.number.value_sql(str(column)), f"nullif(count(`{column}`), 0)"
        if not self.number.exact:
            return [count, f"avg({value})", f"var_pop({value}) * count(`{column}`)"]
        squares = f"sum(cast({value} * {value} as decimal(38,0)))"
        return [count, f"sum({value})", _or_overflow(squares, f"count(`{column}`) > 0")]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        one = f"case when {seen} then 1 end"
        if not self.number.exact:
            return [one, value, f"case when {seen} then 0D end"]
        return [one, value, _or_overflow(f"cast({value} * {value} as decimal(38,0))", seen)]


def _or_overflow(expression: str, seen: str) -> str:
    return f"case when {seen} then coalesce(cast({expression} as string), '{OVERFLOW}') end"


class Extreme(Aggregation):
    """What minimum and maximum share: the state is the extreme value itself."""

    sign: str

    def __init__(self, number: Number = INTEGER) -> None:
        super().__init__(number)
        self.components = number.code
        self.plan = (f"{number.code}{self.sign}",)

    def lift(self, value: Any, moment: Moment) -> tuple[Any]:  # noqa: ARG002
        """Return the state of one event."""
        return (value,)

    def finish(self, state: State) -> Value:
        """Return the extreme value; None when no event had a value."""
        return None if state is None else self._in_unit(state[0])

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregate of the extreme value."""
        return [f"{self.name}({self.number.value_sql(str(column))})"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - null stays null
        return [value]


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
        return str(state[3]) if self.number.name == "string" else self._in_unit(state[3])

    def aggregate_sql(self, column: str | None) -> list[str]:
        """Return the aggregates of the last moment and its value."""
        row = (
            f"max(case when `{column}` is not null then named_struct('t', event_time_ms, 'p', `partition`, "
            f"'o', `offset`, 'v', {self.number.value_sql(str(column))}) end)"
        )
        return [f"{row}.{field}" for field in "tpov"]

    def _lift_sql(self, value: str, seen: str) -> list[str]:
        moment = [f"case when {seen} then {part} end" for part in ("event_time_ms", "`partition`", "`offset`")]
        return [*moment, value]


AGGREGATIONS: dict[str, type[Aggregation]] = {
    kind.name: kind for kind in (Count, Sum, Mean, Variance, Min, Max, Latest)
}
"""Every aggregation by the name it has in YAML."""
