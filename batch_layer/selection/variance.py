"""Variance: values that hardly ever change tell nothing apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batch_layer.selection.strategy import Selected, number

if TYPE_CHECKING:
    from batch_layer.training.strategy import TrainingRows


class Variance:
    """Keeps the values whose variance over the training rows is above a threshold. It looks at no label.

    Attributes:
        threshold: the variance that has to be passed, in the value's own unit squared; with 0, the default, what never
            changes goes.

    Example: `same` is 7 wherever it is known, `rare` is 1 once in four rows (variance 3/16), `wide` is 0 and 8 (variance 16).

        >>> from batch_layer.training.strategy import TrainingRows
        >>> table = np.array([
        ...     # same, rare, wide
        ...     [7, 0, 0],
        ...     [7, 0, 8],
        ...     [np.nan, 0, 0],
        ...     [7, 1, 8],
        ... ], dtype=np.float32)
        >>> rows = TrainingRows(["same", "rare", "wide"], table, np.array([0, 1, 0, 1.0]))
        >>> names, scores = Variance().select(rows)
        >>> scores
        {'same': 0.0, 'rare': 0.1875, 'wide': 16.0}
        >>> names
        ['rare', 'wide']
        >>> Variance(threshold=0.5).select(rows).names
        ['wide']
    """

    def __init__(self, threshold: float = 0.0) -> None:
        self._threshold = number("threshold", threshold, 0)

    def select(self, rows: TrainingRows) -> Selected:
        """Return the names whose variance, over the rows in which they have a value, is above the threshold."""
        values = np.ma.masked_invalid(rows.features.astype(np.float64))
        spread = np.ma.ptp(values, axis=0)
        # What never changes has none: its mean, rounded, may differ from all of its values.
        found = np.where(np.ma.filled(spread, 0.0) > 0, np.ma.filled(values.var(axis=0), 0.0), 0.0)
        scores = {name: float(score) for name, score in zip(rows.names, found, strict=True)}
        return Selected([name for name, score in scores.items() if score > self._threshold], scores)
