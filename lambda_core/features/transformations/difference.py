"""Difference: by how much one value is above another."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range
    from lambda_core.features.transformations.strategy import Kind


class Difference(Transformation):
    """The first value less the second; none where one of them is missing.

    Integers are exact, and none beyond 64 bits; with a double among them they are doubles.

    Example: what was paid, what is usual, and what that makes.

        >>> paid, usual = Column.of([12, 5, None, 7], "integer"), Column.of([10, 8, 3, None], "integer")
        >>> [made] = Difference().apply([paid, usual])
        >>> made.values[made.present].tolist(), made.present.tolist()
        ([2, -3], [True, True, False, False])
        >>> greatest, one = Column.of([2**63 - 1, 3], "integer"), Column.of([-1, -1], "integer")
        >>> [made] = Difference().apply([greatest, one])
        >>> made.values[made.present].tolist(), made.present.tolist()
        ([4], [False, True])
    """

    takes = 2
    keeps_unit = True

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:
        """Return integer where both are."""
        return ["float" if "float" in given else "integer"]

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:
        """Return from the least less the greatest to the greatest less the least."""
        (low, high), (other_low, other_high) = given
        return [(_less(low, other_high), _less(high, other_low))]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the differences."""
        left, right = given
        present = left.present & right.present
        if not (left.is_whole and right.is_whole):
            return [Column(left.floats() - right.floats(), present)]
        values = left.values - right.values
        # Beyond 64 bits the sign turns: operands of different signs, and a result of the other sign than the first.
        beyond = ((left.values ^ right.values) & (left.values ^ values)) < 0
        return [Column(values, present & ~beyond)]


def _less(left: float | None, right: float | None) -> float | None:
    return None if left is None or right is None else left - right
