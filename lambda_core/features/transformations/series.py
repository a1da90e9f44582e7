"""Steps in order: every new value of a vector, for many vectors or for one. The only rendering there is.

1. A step is given what the vector has before it: values that were read, and results of earlier steps.
2. Its results get names of their own; nothing that is there is ever changed.
3. One vector is a column of one: what answers for it is what answers for all rows of a training table.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from lambda_core.errors import SchemaError
from lambda_core.features.transformations.strategy import Column, number_of, settled

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_core.features.transformations.strategy import Kind, Transformation


@dataclass(frozen=True)
class Step:
    """One step, ready to work.

    Attributes:
        of: the values that it is given. kinds: name of each result -> its type.
        code: an id of the file of a user's own class; empty for the menu's.
    """

    strategy: Transformation
    of: tuple[str, ...]
    kinds: dict[str, Kind]
    code: str = ""

    def apply(self, given: Sequence[Column]) -> dict[str, Column]:
        """Return the results by name, as they stand in the vector."""
        found = zip(self.kinds.items(), self.strategy.apply(given), strict=True)
        return {name: settled(one, kind) for (name, kind), one in found}


@dataclass(frozen=True)
class Series:
    """All steps of a feature set.

    Attributes:
        given: the values from outside that steps take -> their type.
    """

    steps: tuple[Step, ...]
    given: dict[str, Kind]

    @cached_property
    def kinds(self) -> dict[str, Kind]:
        """Return the type of each new value, by name and in order."""
        return {name: kind for step in self.steps for name, kind in step.kinds.items()}

    def of_columns(self, columns: Mapping[str, Column]) -> dict[str, Column]:
        """Return the new values of many vectors, by name and in order.

        Args:
            columns: what `given` names, all of one length.
        """
        known = {name: settled(columns[name], kind) for name, kind in self.given.items()}
        with np.errstate(all="ignore"):  # what is no finite number is not there
            for step in self.steps:
                known |= step.apply([known[name] for name in step.of])
        return {name: known[name] for name in self.kinds}

    def of_vector(self, values: Mapping[str, Any]) -> dict[str, int | float | None]:
        """Return the new values of one vector, by name and in order; what is no number of its type counts as missing.

        Args:
            values: the vector so far, by name.
        """
        made = self.of_columns({name: Column.of([values.get(name)], kind) for name, kind in self.given.items()})
        return {name: one.values.item() if one.present.item() else None for name, one in made.items()}

    def refuse_other_types(self, values: Mapping[str, Any]) -> None:
        """Refuse given values that the steps would have to take for missing, as they are of another type.

        Raises:
            SchemaError: naming the first one.
        """
        for name, kind in self.given.items():
            value = values.get(name)
            if value is not None and number_of(value, kind) is None:
                raise SchemaError(
                    f"request.{name}: expected {kind}, found {value!r}; other values are worked out from it"
                )
