"""Ratio: how many times one value is another."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range


class Ratio(Transformation):
    """The first value by the second, as doubles; none where one of them is missing, or the second is 0.

    Example: returned, ordered, and the share of it.

        >>> returned, ordered = Column.of([1, 0, 3, None, 2], "integer"), Column.of([4, 5, 0, 2, None], "integer")
        >>> [made] = Ratio().apply([returned, ordered])
        >>> made.values[made.present].tolist(), made.present.tolist()
        ([0.25, 0.0], [True, True, False, False, False])
    """

    takes = 2

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:
        """Return from 0 on where neither is below it."""
        return [(0.0 if all(low is not None and low >= 0 for low, _ in given) else None, None)]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the quotients."""
        dividend, divisor = given[0].floats(), given[1].floats()
        present = given[0].present & given[1].present & (divisor != 0)
        return [Column(np.divide(dividend, divisor, out=np.zeros(len(divisor)), where=present), present)]
