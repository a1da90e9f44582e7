"""Values as a few categories, so that a missing value is one more of them, and no scale or shape matters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS = 10
"""How many bins values are put into, if nothing else is declared."""


def binned(features: NDArray[np.float32], bins: int) -> NDArray[np.int64]:
    """Return each value's bin: 1 to `bins` by quantiles of its column, 0 where it is missing.

    Equal values share a bin, so a column with few values has fewer bins.

    Example:
        >>> column = np.array([[1], [2], [3], [4], [4], [np.nan]], dtype=np.float32)
        >>> binned(column, 2).ravel().tolist()
        [1, 1, 1, 2, 2, 0]
    """
    found = np.zeros(features.shape, dtype=np.int64)
    for place in range(features.shape[1]):
        values = features[:, place].astype(np.float64)
        seen = ~np.isnan(values)
        if seen.any():
            edges = np.unique(np.quantile(values[seen], np.arange(1, bins) / bins, method="lower"))
            found[seen, place] = 1 + np.searchsorted(edges, values[seen], side="left")
    return found
