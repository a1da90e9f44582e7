"""Bins: in which of some declared stretches a value lies."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_core.features.transformations.parameters import ascending
from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range
    from lambda_core.features.transformations.strategy import Kind


class Bins(Transformation):
    """The number of the value's bin: how many edges lie at or below it; none where it is missing.

    So 0 is below the first edge, i is `[edge, next edge)`, and the number of edges is from the last one on, as the bins of
    a histogram are.

    Attributes:
        edges: ascending, in the value's own unit. Integers are compared as doubles.

    Example: hours of the day as night, morning, afternoon and evening.

        >>> hour = Column.of([0, 5, 6, 11, 12, 23, None], "integer")
        >>> [made] = Bins(edges=[6, 12, 18]).apply([hour])
        >>> made.values[made.present].tolist(), made.present.tolist()
        ([0, 0, 1, 1, 2, 3], [True, True, True, True, True, True, False])
    """

    def __init__(self, edges: list[float]) -> None:
        self._edges = np.array(ascending("edges", edges), dtype=np.float64)

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:  # noqa: ARG002 - a number of bins in any case
        """Return integer."""
        return ["integer"]

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:  # noqa: ARG002 - all bins in any case
        """Return all bins."""
        return [(0.0, float(len(self._edges)))]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the numbers of the bins."""
        return [Column(np.searchsorted(self._edges, given[0].floats(), side="right"), given[0].present)]
