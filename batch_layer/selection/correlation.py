"""Correlation: values that go with the label, each only once where several say nearly the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from batch_layer.selection.strategy import Selected, best, count, number

if TYPE_CHECKING:
    from batch_layer.training.strategy import TrainingRows


class Correlation:
    """Keeps values by the size of their correlation with the label, leaving out what an already kept one says.

    Values are gone through from the greatest score down. Pearson's coefficient over the rows in which both values are
    there; a value that never changes correlates with nothing (0).

    Attributes:
        keep: how many values stay at most (None: no limit).
        min_score: least size of the coefficient with the label that stays (0 to 1).
        max_between: greatest size of the coefficient with a value that is kept already (0 to 1; 1: not looked at).

    Example: `up` rises with the label, `twice` is two times `up`, `down` falls with the label but for one row.

        >>> from batch_layer.training.strategy import TrainingRows
        >>> table = np.array([
        ...     # up, twice, down, noise   label
        ...     [1, 2, 8, 1],  # 0
        ...     [2, 4, 8, 9],  # 0
        ...     [8, 16, 1, 1],  # 1
        ...     [9, 18, 8, 9],  # 1
        ... ], dtype=np.float32)
        >>> rows = TrainingRows(["up", "twice", "down", "noise"], table, np.array([0, 0, 1, 1.0]))
        >>> names, scores = Correlation(min_score=0.1, max_between=0.9).select(rows)
        >>> {name: round(score, 2) for name, score in scores.items()}
        {'up': 0.99, 'twice': 0.99, 'down': 0.58, 'noise': 0.0}
        >>> names
        ['up', 'down']

    Reference: Pearson (1895), Notes on Regression and Inheritance in the Case of Two Parents. Proc. Royal Society 58.
    """

    def __init__(self, keep: int | None = None, min_score: float = 0.0, max_between: float = 1.0) -> None:
        self._keep = None if keep is None else count("keep", keep)
        self._least = number("min_score", min_score, 0, 1)
        self._most = number("max_between", max_between, 0, 1)

    def select(self, rows: TrainingRows) -> Selected:
        """Return the names that stay, from the greatest coefficient with the label down."""
        # By their places: a value may be called as the label is.
        frame = pd.DataFrame(np.column_stack([rows.features.astype(np.float64), rows.labels]))
        between = frame.corr().abs().fillna(0.0).to_numpy()
        found = {name: float(between[place, -1]) for place, name in enumerate(rows.names)}
        kept: list[int] = []
        for name in best(found, None, self._least):
            place = rows.names.index(name)
            if self._most == 1 or (between[place, kept] <= self._most).all():
                kept.append(place)
        return Selected([rows.names[place] for place in kept[: self._keep]], found)
