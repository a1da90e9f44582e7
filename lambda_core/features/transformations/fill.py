"""Fill: a declared number where a value is missing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_core.features.transformations.parameters import fits, number
from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range
    from lambda_core.features.transformations.strategy import Kind


class Fill(Transformation):
    """The value, or a constant where it is missing: always there. Integers stay integers.

    Attributes:
        value: the constant, in the value's own unit; of integers a whole number.

    Example: no order yet is no amount.

        >>> spent = Column.of([12.5, None, 0], "float")
        >>> [made] = Fill(value=0).apply([spent])
        >>> made.values.tolist(), made.present.tolist()
        ([12.5, 0.0, 0.0], [True, True, True])
    """

    keeps_unit = True

    def __init__(self, value: float) -> None:
        self._value = number("value", value)

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:
        """Return the value's own type."""
        fits(given, value=self._value)
        return given

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:
        """Return the range with the constant in it."""
        low, high = given[0]
        return [(None if low is None else min(low, self._value), None if high is None else max(high, self._value))]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the values, filled."""
        present = given[0].present
        return [Column(np.where(present, given[0].values, self._value), np.ones(len(present), dtype=bool))]
