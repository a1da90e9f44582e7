"""Slots, features and groups: what one update carries, and which windows over it are asked for.

1. A *slot* is one aggregation over one column of a group: what a tile, a single event and an update carry a state for.
2. A *feature* is an answer asked of a slot over a window: `<group>__<column>_<aggregation>_<window>`.
3. A *group* is its source, its entity, its slots (each once) and its features, all of them in one update.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate
from typing import Any

import msgspec

from lambda_core.features.aggregations import Aggregation, State, operator_width
from lambda_core.features.windows import Window


@dataclass(frozen=True)
class Slot:
    """One aggregation over what it sees of a group's events.

    Attributes:
        column: whose values it sees; None: the events themselves, or the truth of the condition.
        aggregation: keeps the states.
        where: Spark SQL; only events for which it is true are seen. condition: Spark SQL, seen as 1 and 0.
    """

    name: str
    column: str | None
    aggregation: Aggregation
    where: str | None = None
    condition: str | None = None

    @cached_property
    def sees(self) -> str | None:
        """Return the Spark SQL of what is seen of a row, null where it is not seen; None: every row is."""
        given = None if self.column is None else f"`{self.column}`"
        if self.condition is not None:
            given = f"case when ({self.condition}) then 1 when not ({self.condition}) then 0 end"
        return given if self.where is None else f"case when ({self.where}) then {given or '1'} end"

    @cached_property
    def meaning(self) -> list[Any]:
        """Return what decides the states beyond column and aggregation; empty for what has no more to it."""
        beyond = [self.where, self.condition, list(self.aggregation.parameters)]
        return [self.name, *beyond] if any(beyond) else []


@dataclass(frozen=True)
class Feature:
    """One answer over one window.

    Attributes:
        slot: the index of the slot in its group that carries the states.
        answer: makes the answer of a state: the slot's aggregation, or another one that shares its states.
        expiry_ms: how old an answer's event may be, in milliseconds; None: any age.
    """

    name: str
    slot: int
    window: Window
    answer: Aggregation
    expiry_ms: int | None = None
    unit: str | None = None
    description: str = ""


@dataclass(frozen=True)
class FeatureGroup:
    """The features of one entity from the events of one source."""

    name: str
    source: str
    entity: str
    key_columns: tuple[str, ...]
    slots: tuple[Slot, ...]
    features: tuple[Feature, ...]

    @cached_property
    def hops_ms(self) -> tuple[int, ...]:
        """Return the distinct hops of the group's windows, in milliseconds, ascending."""
        return tuple(sorted({feature.window.hop_ms for feature in self.features}))

    @cached_property
    def places(self) -> tuple[slice, ...]:
        """Return where each slot's components stand in a row."""
        ends = list(accumulate(len(slot.aggregation.components) for slot in self.slots))
        return tuple(slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False))

    @cached_property
    def by_window(self) -> dict[Window, list[Feature]]:
        """Return the features by their window, windows and features in declared order."""
        found: dict[Window, list[Feature]] = {}
        for feature in self.features:
            found.setdefault(feature.window, []).append(feature)
        return found

    @cached_property
    def plan(self) -> tuple[str, ...]:
        """Return the operators that merge a row of components, slot after slot (see `aggregations`)."""
        return tuple(operator for slot in self.slots for operator in slot.aggregation.plan)

    @cached_property
    def components(self) -> str:
        """Return the kinds of a row's components, a character each, slot after slot."""
        return "".join(slot.aggregation.components for slot in self.slots)

    @cached_property
    def widths(self) -> dict[str, int]:
        """Return how many components each of the plan's operators with a parameter takes."""
        return {operator: operator_width(operator) for operator in self.plan if ":" in operator}

    @cached_property
    def rule(self) -> bytes:
        """Return what the script that merges rows is told of the group, packed: plan, hops and, if any, widths."""
        return msgspec.msgpack.encode((self.plan, self.hops_ms, *([self.widths] if self.widths else [])))

    @cached_property
    def width(self) -> int:
        """Return how many components a row of all slots has."""
        return len(self.components)

    def longest_window_ms(self, hop_ms: int) -> int:
        """Return the length of the longest window with this hop, in milliseconds."""
        return max(feature.window.length_ms for feature in self.features if feature.window.hop_ms == hop_ms)

    def encode(self, states: list[State]) -> list[str]:
        """Return a row of components: the texts of all slots' states, one after the other."""
        return [text for slot, state in zip(self.slots, states, strict=True) for text in slot.aggregation.encode(state)]

    def decode(self, row: list[str]) -> list[State]:
        """Return the states that `encode` was given."""
        return [slot.aggregation.decode(row[place]) for slot, place in zip(self.slots, self.places, strict=True)]

    def zero(self) -> list[State]:
        """Return the states of no event."""
        return [None] * len(self.slots)

    def merge(self, left: list[State], right: list[State]) -> list[State]:
        """Return the states of both sides' events, slot by slot."""
        return [slot.aggregation.merge(a, b) for slot, a, b in zip(self.slots, left, right, strict=True)]
