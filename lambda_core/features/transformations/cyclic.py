"""Cyclic: a value that begins anew after a period, as a place on a circle, where 23 o'clock is near midnight."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from lambda_core.errors import ConfigError
from lambda_core.features.transformations.parameters import number
from lambda_core.features.transformations.strategy import Column, Transformation, each

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.catalogue import Range


class Cyclic(Transformation):
    """Two values, `<name>_sin` and `<name>_cos`, of the value's part of its period; none where it is missing.

    Attributes:
        period: after how much the value begins anew, in its own unit (above 0).

    Example: midnight, six, noon, what is missing, and 18 o'clock.

        >>> hour = Column.of([0, 6, 12, None, 18], "integer")
        >>> sine, cosine = Cyclic(period=24).apply([hour])
        >>> sine.values[sine.present].round(9).tolist()
        [0.0, 1.0, 0.0, -1.0]
        >>> (cosine.values[cosine.present].round(9) + 0).tolist()
        [1.0, 0.0, -1.0, 0.0]
        >>> cosine.present.tolist()
        [True, True, True, False, True]
    """

    endings = ("_sin", "_cos")

    def __init__(self, period: float) -> None:
        self._period = float(number("period", period))
        if self._period <= 0:
            raise ConfigError(f"parameters.period: expected a number above 0, found {period!r}")

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:  # noqa: ARG002 - the same for all
        """Return from -1 to 1."""
        return [(-1.0, 1.0)] * 2

    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return sines and cosines."""
        angle = Column(each(self._angle, given[0]), given[0].present)
        return [Column(each(function, angle), angle.present) for function in (math.sin, math.cos)]

    def _angle(self, value: float) -> float:
        return math.tau * (math.fmod(value, self._period) / self._period)
