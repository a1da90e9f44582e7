"""Pearson's chi-squared test: how unlikely the label's counts in a value's bins are, if it had no part in them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batch_layer.selection.binning import BINS, binned
from batch_layer.selection.strategy import Selected, best, count, number

if TYPE_CHECKING:
    from batch_layer.training.strategy import TrainingRows


class ChiSquared:
    """Keeps the values with the greatest chi-squared statistic of (bin, label); missing is a bin, too.

    The statistic has no unit and is 0 or more; it grows with the number of rows and, by chance, with that of bins.

    Attributes:
        keep: how many values stay at most (None: no limit).
        min_score: least statistic that stays. With two bins 3.84 is what chance alone passes once in twenty times, with
            ten 16.9.
        bins: quantile bins of each value (2 or more).

    Example: `tells` is high in each row with label 1; `noise` is high in every other row; `same` never changes. Of
    `tells` the four cells of (high, label) hold 4, 0, 0 and 4 rows where 2 are expected in each: four times (2^2)/2 = 8.

        >>> from batch_layer.training.strategy import TrainingRows
        >>> table = np.array([
        ...     # tells, noise, same   label
        ...     [1, 1, 7],  # 0
        ...     [1, 9, 7],  # 0
        ...     [1, 1, 7],  # 0
        ...     [1, 9, 7],  # 0
        ...     [9, 1, 7],  # 1
        ...     [9, 9, 7],  # 1
        ...     [9, 1, 7],  # 1
        ...     [9, 9, 7],  # 1
        ... ], dtype=np.float32)
        >>> rows = TrainingRows(["tells", "noise", "same"], table, np.array([0, 0, 0, 0, 1, 1, 1, 1.0]))
        >>> names, scores = ChiSquared(min_score=3.84, bins=2).select(rows)
        >>> scores
        {'tells': 8.0, 'noise': 0.0, 'same': 0.0}
        >>> names
        ['tells']

    Reference: Pearson (1900), On the Criterion that a Given System of Deviations ... Philosophical Magazine 50.
    """

    def __init__(self, keep: int | None = None, min_score: float = 0.0, bins: int = BINS) -> None:
        self._keep = None if keep is None else count("keep", keep)
        self._least = number("min_score", min_score, 0)
        self._bins = count("bins", bins, 2)

    def select(self, rows: TrainingRows) -> Selected:
        """Return the names with the greatest statistics: of a value, that of its bins, as indicators, added up."""
        from sklearn.feature_selection import chi2  # only tasks that train load it

        found = {}
        for name, bins in zip(rows.names, binned(rows.features, self._bins).T, strict=True):
            indicators = (bins[:, None] == np.unique(bins)).astype(np.float64)
            found[name] = float(np.sum(chi2(indicators, rows.labels)[0]))
        return Selected(best(found, self._keep, self._least), found)
