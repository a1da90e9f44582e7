"""What an aggregation is: zero, update, merge, finish over a small state, and the state's text and SQL.

A state is None (no event with a value yet) or a tuple of components. `merge` is associative and commutative, and None
is its neutral element, so any tree of merges over the same events gives the same state:

    lift(value, moment)  the state of one event          merge(left, right)  the state of both sides' events
    finish(state, t)     the answer of a state           encode / decode     the state as short texts, one a component

Exact kinds (integers, declared decimals as scaled integers, extremes, latest values) are equal to the last bit whatever
the order; floating sums agree within 1e-9 of the sum of magnitudes. Events whose column is null are not seen by any
aggregation over that column. Ties of moments are broken by event time, then partition, then offset.

Several kinds may share one state, and differ in `finish` alone: a standard deviation is kept as a variance.

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
Scalar = int | float | str
Value = Scalar | list[Scalar] | None

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

    def value_sql(self, given: str) -> str:
        """Return the Spark SQL of an expression as this type's component: decimals as scaled integers, -0 as 0."""
        if self.name == "decimal":
            return f"cast(cast({given} as decimal(18,{self.scale})) * {10**self.scale}BD as decimal(19,0))"
        target = {"integer": "decimal(19,0)", "float": "double", "string": "string"}[self.name]
        zero = " + 0D" if self.name == "float" else ""
        return f"(cast({given} as {target}){zero})"


INTEGER = Number("integer")

_WIDTHS = {"chan": 3, "latest": 4, "first": 4, "decay": 2}


def operator_width(operator: str) -> int:
    """Return how many components an operator of a merge plan takes.

    Example:
        >>> operator_width("i+"), operator_width("latest"), operator_width("last:5"), operator_width("registers:10")
        (1, 4, 20, 1)
    """
    kind, _, parameter = operator.partition(":")
    return 4 * int(parameter) if kind == "last" else _WIDTHS.get(kind, 1)


class Aggregation(ABC):
    """One aggregation over one type of value. Subclasses are stateless; states are passed in and out.

    Attributes:
        name: what it is called in YAML.
        numbers: the types of value that it is defined over.
        state_of: the name of the kind whose state it shares; None for a state of its own.
        takes: the settings of its block that it is made with, by keyword.
        needs: those of them that have no default.
        nothing: the answer of no event.
        answers: the type of its answers; None for that of the values (decimals are answered as floats).
        gives_list: whether an answer is a list of them, which no model's vector can hold.
        components: the code of each component: `i` integer, `f` float, `s` text.
        plan: how the Redis script merges: one operator for each run of components (`i+`, `f+`, `i<`, `i>`, `f<`,
            `f>` take one component, `chan` three, `latest` and `first` four); those with a parameter behind a colon are
            `last:<N>` (four for each of N events), `decay:<half-life>` (two) and `registers:<precision>` (one).
        parameters: what beside the values' type decides the state; part of the definition id.
    """

    name: str
    numbers: tuple[TypeName, ...] = ("integer", "decimal", "float")
    state_of: str | None = None
    takes: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    nothing: Value = None
    answers: TypeName | None = None
    gives_list: bool = False
    components: str
    plan: tuple[str, ...]
    parameters: tuple[Any, ...] = ()

    def __init__(self, number: Number = INTEGER) -> None:
        self.number = number

    @classmethod
    def made(cls, number: Number, settings: dict[str, Any]) -> list[tuple[str, "Aggregation"]]:
        """Return the answers that a block asks for, by their names: for most kinds one, by the kind's own."""
        return [(cls.name, cls(number, **settings))]

    @property
    def identity(self) -> tuple[Any, ...]:
        """Return what decides the state: kinds of one identity over the same values share their states."""
        return (self.state_of or self.name, self.number, self.parameters)

    @property
    def gives(self) -> TypeName:
        """Return the type of the answers."""
        own: TypeName = "float" if self.number.name == "decimal" else self.number.name
        return self.answers or own

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
    def finish(self, state: State, t_ms: int = 0) -> Value:
        """Return the answer in the column's own unit; None where no event gives one.

        Args:
            state: of the events that count.
            t_ms: the moment asked for; only what grows old with time looks at it.

        Raises:
            OverflowStateError: when the state left its type's range.
        """

    @abstractmethod
    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return one Spark SQL aggregate a component, as text: null where the state is None.

        Args:
            given: Spark SQL of a row's value, null where the row is not seen; None: every row is.
        """

    def lift_sql(self, given: str | None) -> list[str]:
        """Return one Spark SQL text a component for the state of a single row; null where the row is not seen."""
        value = "1" if given is None else self.number.value_sql(given)
        return self._lift_sql(value, "true" if given is None else f"{given} is not null")

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

    def in_unit(self, component: Any) -> Scalar:
        """Return a component of this number type in the column's own unit.

        Raises:
            OverflowStateError: when it is outside 64 bits, or no finite double.
        """
        if self.number.name == "float":
            return self.finite(component)
        if self.number.name == "string":
            return str(component)
        if component == OVERFLOW or not -_INT64 <= component < _INT64:
            raise OverflowStateError(f"{self.name}: {component} is outside 64 bits; declare a smaller scale or a float")
        return component / 10**self.number.scale if self.number.scale else int(component)

    def finite(self, component: float) -> float:
        """Return a double as an answer: never -0.

        Raises:
            OverflowStateError: when it is not finite.
        """
        if not math.isfinite(component):
            raise OverflowStateError(f"{self.name}: a sum of floats is not finite; scale the column down")
        return float(component) + 0.0

    def added(self, left: Any, right: Any) -> Any:
        """Return the sum of two components of this number type; exact ones overflow at 38 digits."""
        return left + right if self.number.name == "float" else add_exact(left, right)
