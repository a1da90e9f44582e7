"""Missing: whether there is a value at all, which may tell more than the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range
    from lambda_core.features.transformations.strategy import Kind


class Missing(Transformation):
    """1 where the value is missing, 0 where it is there: always there itself.

    Example: 0 is a value.

        >>> age = Column.of([34, None, 0], "integer")
        >>> [made] = Missing().apply([age])
        >>> made.values.tolist(), made.present.tolist()
        ([0, 1, 0], [True, True, True])
    """

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:  # noqa: ARG002 - 0 or 1 in any case
        """Return integer."""
        return ["integer"]

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:  # noqa: ARG002 - the same for all
        """Return from 0 to 1."""
        return [(0.0, 1.0)]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the marks."""
        present = given[0].present
        return [Column((~present).astype(np.int64), np.ones(len(present), dtype=bool))]
