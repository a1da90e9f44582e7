"""Clip: no lower and no higher than two bounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lambda_core.errors import ConfigError
from lambda_core.features.transformations.parameters import fits, number
from lambda_core.features.transformations.strategy import Column, Transformation

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range
    from lambda_core.features.transformations.strategy import Kind


class Clip(Transformation):
    """The value, or the bound that it lies beyond; none where it is missing. Integers stay integers.

    Attributes:
        low, high: the bounds, in the value's own unit; one of them may be left out. Of integers they are whole numbers.

    Example: minutes of delay, of which two hours say as much as ten.

        >>> delay = Column.of([-9, 0, None, 45, 600], "integer")
        >>> [made] = Clip(low=0, high=120).apply([delay])
        >>> made.values[made.present].tolist(), made.present.tolist()
        ([0, 0, 45, 120], [True, True, False, True, True])
    """

    keeps_unit = True

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        self._low = None if low is None else number("low", low)
        self._high = None if high is None else number("high", high)
        if self._low is None and self._high is None:
            raise ConfigError("parameters: expected `low`, `high` or both, found neither")
        if self._low is not None and self._high is not None and self._low > self._high:
            raise ConfigError(f"parameters.high: expected a number from {self._low} on, found {self._high}")

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:
        """Return the value's own type."""
        fits(given, low=self._low, high=self._high)
        return given

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:
        """Return the bounds, or the range's ends that lie between them."""
        low = max((end for end in (given[0][0], self._low) if end is not None), default=None)
        high = min((end for end in (given[0][1], self._high) if end is not None), default=None)
        return [(low, high)]

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return the values within the bounds."""
        of = int if given[0].is_whole else float
        low, high = (None if bound is None else of(bound) for bound in (self._low, self._high))
        return [Column(np.clip(given[0].values, low, high), given[0].present)]
