"""Logarithm: values of many sizes, brought near one another with their order and their sign kept."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lambda_core.features.transformations.strategy import Column, Transformation, each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range


class Logarithm(Transformation):
    """The natural logarithm of 1 + the value's size, with the value's sign; 0 of 0; none where it is missing.

    Example: e - 1, what is missing, 0, and a debt of e^3 - 1.

        >>> amounts = Column.of([1.718281828459045, None, 0, -19.085536923187668], "float")
        >>> [made] = Logarithm().apply([amounts])
        >>> made.values[made.present].round(9).tolist(), made.present.tolist()
        ([1.0, 0.0, -3.0], [True, False, True, True])

    Reference: John and Draper (1980), An Alternative Family of Transformations. Applied Statistics 29.
    """

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:
        """Return the logarithms of the range's ends."""
        low, high = (None if end is None else signed_log1p(end) for end in given[0])
        return [(low, high)]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the logarithms."""
        return [Column(each(signed_log1p, given[0]), given[0].present)]


def signed_log1p(value: float) -> float:
    """Return log(1 + |value|) with the value's sign."""
    return math.copysign(math.log1p(abs(value)), value)
