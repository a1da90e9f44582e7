"""The blocks of a group's features, compiled: the slots that carry their states, and the features that are asked of them.

1. What a block's aggregations see is its column, or its events (no column); a share sees the truth of its condition.
   Where the block has a `where`, they see only events that fulfil it.
2. Aggregations that see the same and keep the same state share a slot.
3. A feature is named `<group>__<block's name>_<column>_<answer>_<window>`, less what the block does not have.
"""

from typing import Any

from lambda_core.config.project import FeatureGroupSection, Source, WindowedAggregations
from lambda_core.errors import ConfigError
from lambda_core.features.aggregations import AGGREGATIONS, INTEGER, Aggregation, Number
from lambda_core.features.groups import Feature, Slot
from lambda_core.features.windows import format_window


class Blocks:
    """The slots and features of one group, in order of declaration.

    Raises:
        ConfigError: when a column is not declared, or its type is none that the block's aggregations are defined over.
    """

    def __init__(self, group: str, section: FeatureGroupSection, source: Source) -> None:
        self.slots: list[Slot] = []
        self.features: list[Feature] = []
        self._group, self._source = group, source
        self._places: dict[object, int] = {}
        for place, block in enumerate(section.features):
            self._add(block, f"feature_groups.{group}.features[{place}]")

    def _add(self, block: WindowedAggregations, path: str) -> None:
        number = self._number(block, path)
        prefix = "".join(f"{part}_" for part in (block.name, block.column) if part is not None)
        for name in block.aggregations:
            for answer_name, answer in block.answers(name, number):
                slot = self._slot(block, prefix, answer)
                for window in block.window_list():
                    self.features.append(
                        Feature(
                            name=f"{self._group}__{prefix}{answer_name}_{format_window(window.length_ms)}",
                            slot=slot,
                            window=window,
                            answer=answer,
                            expiry_ms=block.expiry_ms,
                            unit=block.unit,
                            description=block.description,
                        )
                    )

    def _slot(self, block: WindowedAggregations, prefix: str, answer: Aggregation) -> int:
        """Return the place of the slot that carries the answer's state; a new one where there is none yet."""
        condition = block.condition if "condition" in answer.takes else None
        slot = Slot(f"{prefix}{answer.state_of or answer.name}", block.column, answer, block.where, condition)
        key = (slot.sees, answer.identity)
        if key not in self._places:
            self._places[key] = len(self.slots)
            self.slots.append(slot)
        return self._places[key]

    def _number(self, block: WindowedAggregations, path: str) -> Number:
        if block.column is None:
            return INTEGER
        column = named(self._source.all_columns, block.column, f"{path}.column")
        if column.type == "timestamp":
            raise ConfigError(
                f"{path}.column: expected a number, a boolean or a string, found the timestamp {block.column!r}"
            )
        number: Number = column.number
        for name in block.aggregations:
            refuse_type(name, number, block, path)
        return number


def refuse_type(aggregation: str, number: Number, block: WindowedAggregations, path: str) -> None:
    """Refuse an aggregation that is not defined over values of this type.

    Raises:
        ConfigError: naming those that are.
    """
    if number.name not in AGGREGATIONS[aggregation].numbers:
        fitting = [name for name, kind in AGGREGATIONS.items() if number.name in kind.numbers]
        wanted = "a number" if number.name == "string" else f"another type than {number.name}"
        raise ConfigError(
            f"{path}: expected {wanted} for {aggregation!r}, found the {number.name} column {block.column!r}; "
            f"use {', '.join(fitting[:-1])} or {fitting[-1]}"
        )
    if block.bins is not None and number.name == "string":
        raise ConfigError(f"{path}.bins: expected a number, found the string column {block.column!r}; use categories")
    kind = {"string": str, "integer": int}.get(number.name)
    for value in block.categories or ():
        if kind is None or not isinstance(value, kind):
            raise ConfigError(
                f"{path}.categories: expected values of the {number.name} column {block.column!r}, found {value!r}; "
                "categories are strings or whole numbers, for others use bins"
            )


def named(declared: dict[str, Any], name: str, path: str) -> Any:
    """Return what is declared under the name.

    Raises:
        ConfigError: when nothing is; it lists what is.
    """
    if name not in declared:
        raise ConfigError(f"{path}: expected one of {', '.join(sorted(declared))}; found {name!r}")
    return declared[name]
