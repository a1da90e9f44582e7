"""What an aggregation is: zero, update, merge, finish over a small state, and the state's text and SQL.

A state is None (no event with a value yet) or a tuple of components. `merge` is associative and commutative, and None
is its neutral element, so any tree of merges over the same events gives the same state:

    lift(value, moment)  the state of one event          merge(left, right)  the state of both sides' events
    finish(state)        the answer of a state           encode / decode     the state as short texts, one a component

Exact kinds (integers, declared decimals as scaled integers, extremes, latest values) are equal to the last bit whatever
the order; floating sums agree within 1e-9 of the sum of magnitudes. Events whose column is null are not seen by any
aggregation over that column. Ties of `latest` are broken by event time, then partition, then offset.

A component that left its range (38 digits of an exact number, a finite double) is the error state `!`; it absorbs
whatever is merged with it, and `finish` raises.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations.components import OVERFLOW, add_exact, decode_component, encode_component

TypeName = Literal["integer", "decimal", "float", "string"]
State = tuple[Any, ...] | None
Value = int | float | str | None

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
        """Return the Spark SQL of the column as this type's component: decimals as scaled integers, -0 as 0."""
        if self.name == "decimal":
            return f"cast(cast(`{column}` as decimal(18,{self.scale})) * {10**self.scale}BD as decimal(19,0))"
        target = {"integer": "decimal(19,0)", "float": "double", "string": "string"}[self.name]
        zero = " + 0D" if self.name == "float" else ""
        return f"(cast(`{column}` as {target}){zero})"


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
        """Return the state of one event with a value: a scaled integer for a decimal."""

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
        """Return one Spark SQL aggregate a component, as text: null where the state is None."""

    def lift_sql(self, column: str | None) -> list[str]:
        """Return one Spark SQL text a component for the state of a single row; null for a null column."""
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
        return tuple(map(decode_component, self.components, texts))

    def in_unit(self, component: Any) -> Value:
        """Return a component of this number type in the column's own unit.

        Raises:
            OverflowStateError: when it is outside 64 bits, or no finite double.
        """
        if self.number.name == "float":
            if not math.isfinite(component):
                raise OverflowStateError(f"{self.name}: a sum of floats is not finite; scale the column down")
            return float(component) + 0.0
        if component == OVERFLOW or not -_INT64 <= component < _INT64:
            raise OverflowStateError(f"{self.name}: {component} is outside 64 bits; declare a smaller scale or a float")
        return component / 10**self.number.scale if self.number.scale else int(component)

    def added(self, left: Any, right: Any) -> Any:
        """Return the sum of two components of this number type; exact ones overflow at 38 digits."""
        return left + right if self.number.name == "float" else add_exact(left, right)
