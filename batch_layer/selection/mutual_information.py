"""Mutual information: by how much knowing a value's bin makes the label less uncertain."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batch_layer.selection.binning import BINS, binned
from batch_layer.selection.strategy import Selected, best, count, number

if TYPE_CHECKING:
    from batch_layer.training.strategy import TrainingRows


class MutualInformation:
    """Keeps the values whose bins tell most about the label, whatever the shape of it; missing is a bin, too.

    Attributes:
        keep: how many values stay at most (None: no limit).
        min_score: least information that stays, in nats (0 to ln 2 = 0.69 for a label of two).
        bins: quantile bins of each value (2 or more).

    Example: the label is 1 in the middle of `hill`, which no straight line sees; `gap` is missing where the label is 1 but
    once; `noise` tells nothing. Knowing `hill` leaves nothing uncertain: ln 2 = 0.693.

        >>> from batch_layer.training.strategy import TrainingRows
        >>> table = np.array([
        ...     # hill, gap, noise        label
        ...     [1, 5, 1],            # 0
        ...     [1, 5, 9],            # 0
        ...     [2, np.nan, 1],       # 1
        ...     [2, np.nan, 9],       # 1
        ...     [2, 5, 1],            # 1
        ...     [2, np.nan, 9],       # 1
        ...     [3, 5, 1],            # 0
        ...     [3, 5, 9],            # 0
        ... ], dtype=np.float32)
        >>> rows = TrainingRows(["hill", "gap", "noise"], table, np.array([0, 0, 1, 1, 1, 1, 0, 0.0]))
        >>> names, scores = MutualInformation(keep=2, bins=4).select(rows)
        >>> {name: round(score, 3) for name, score in scores.items()}
        {'hill': 0.693, 'gap': 0.38, 'noise': 0.0}
        >>> names
        ['hill', 'gap']

    Reference: Shannon (1948), A Mathematical Theory of Communication. Bell System Technical Journal 27.
    """

    def __init__(self, keep: int | None = None, min_score: float = 0.0, bins: int = BINS) -> None:
        self._keep = None if keep is None else count("keep", keep)
        self._least = number("min_score", min_score, 0)
        self._bins = count("bins", bins, 2)

    def select(self, rows: TrainingRows) -> Selected:
        """Return the names that tell most about the label."""
        from sklearn.metrics import mutual_info_score  # only tasks that train load it

        labels = rows.labels.astype(np.int64)
        bins = binned(rows.features, self._bins).T
        # Rounding may leave a trifle below zero, which no information can be.
        found = {
            name: max(0.0, float(mutual_info_score(labels, own))) for name, own in zip(rows.names, bins, strict=True)
        }
        return Selected(best(found, self._keep, self._least), found)
