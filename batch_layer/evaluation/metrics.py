"""Figures of probabilities against labels, curves to draw, and paired bootstrap intervals of differences.

Labels are 0 or 1; probabilities lie between 0 and 1; every figure has no unit.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CLIP = 1e-7
"""How far from 0 and 1 a probability is kept for its log loss: the resolution of 32-bit floats near 1."""
_BLOCK = 25
"""Resamples worked out at once: bounds the memory to 25 x rows."""
_POINTS = 200
"""Points of a curve that is drawn."""


@dataclass(frozen=True)
class Ranking:
    """Rows in the order of a model's probabilities; equal ones share a place.

    Attributes:
        order: indexes of the rows, by rising probability. starts: where each group of equal probabilities begins.
    """

    order: NDArray[np.int64]
    starts: NDArray[np.int64]

    @classmethod
    def of(cls, probabilities: Floats) -> Ranking:
        """Return the ranking by these probabilities."""
        order = np.argsort(probabilities, kind="stable")
        ordered = probabilities[order]
        starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
        return cls(order, starts)

    def auc(self, labels: Floats, weights: Floats) -> Floats:
        """Return the area under the ROC curve, one a row of weights (resamples x rows).

        It is the share of (one, zero) pairs in which the one is ranked higher; a tie counts half. NaN where the
        weights leave only one label.

        Example:
            >>> Ranking.of(np.array([0.1, 0.4, 0.4])).auc(np.array([0.0, 0.0, 1.0]), np.ones((1, 3)))
            array([0.75])
        """
        ordered = weights[:, self.order]
        ones = np.add.reduceat(ordered * labels[self.order], self.starts, axis=1)
        zeros = np.add.reduceat(ordered * (1 - labels[self.order]), self.starts, axis=1)
        below = np.cumsum(zeros, axis=1) - zeros
        pairs = ones.sum(axis=1) * zeros.sum(axis=1)
        won = (ones * (below + zeros / 2)).sum(axis=1)
        area: Floats = np.divide(won, pairs, out=np.full(len(pairs), np.nan), where=pairs > 0)
        return area


def losses(labels: Floats, probabilities: Floats) -> Floats:
    """Return each row's log loss (natural logarithm)."""
    kept = np.clip(probabilities, CLIP, 1 - CLIP)
    return -(labels * np.log(kept) + (1 - labels) * np.log(1 - kept))


def figures(labels: Floats, probabilities: Floats) -> dict[str, float]:
    """Return `auc`, `log_loss` and `brier` (mean squared error) of the probabilities."""
    return {
        "auc": float(Ranking.of(probabilities).auc(labels, np.ones((1, len(labels))))[0]),
        "log_loss": float(losses(labels, probabilities).mean()),
        "brier": float(np.mean((probabilities - labels) ** 2)),
    }


@dataclass(frozen=True)
class Resampling:
    """How intervals are made.

    Attributes:
        resamples: how many times rows are drawn, as many as there are, with replacement.
        confidence: share of the resamples inside an interval. seed: of the draws.
    """

    resamples: int
    confidence: float
    seed: int


def compare(labels: Floats, candidate: Floats, other: Floats, how: Resampling) -> dict[str, float]:
    """Return how much better the candidate is than the other, with paired bootstrap intervals.

    `auc_gain` is the difference of the areas, `log_loss_drop` the share by which the mean log loss lies below the
    other's; `<name>_low` and `<name>_high` bound them. Paired: both are asked about the same drawn rows.

    Reference: Efron and Tibshirani (1993), An Introduction to the Bootstrap. Chapman & Hall.
    """
    rankings = Ranking.of(candidate), Ranking.of(other)
    both = np.stack([losses(labels, candidate), losses(labels, other)])
    here = _differences(rankings, both, labels, np.ones((1, len(labels))))
    drawn = [_differences(rankings, both, labels, weights) for weights in _draws(len(labels), how)]
    tail = (1 - how.confidence) / 2
    found: dict[str, float] = {}
    for place, name in enumerate(("auc_gain", "log_loss_drop")):
        low, high = np.nanquantile(np.concatenate([block[place] for block in drawn]), [tail, 1 - tail])
        found |= {name: float(here[place][0]), f"{name}_low": float(low), f"{name}_high": float(high)}
    return found


def _differences(
    rankings: tuple[Ranking, Ranking], both: Floats, labels: Floats, weights: Floats
) -> tuple[Floats, Floats]:
    """Return the AUC gains and log-loss drops, one a row of weights."""
    gain = rankings[0].auc(labels, weights) - rankings[1].auc(labels, weights)
    mean = weights @ both.T
    return gain, 1 - mean[:, 0] / mean[:, 1]


def _draws(rows: int, how: Resampling) -> Iterator[Floats]:
    """Yield blocks of weights: how often each row was drawn, one row a resample."""
    random = np.random.default_rng(how.seed)
    for begin in range(0, how.resamples, _BLOCK):
        size = min(_BLOCK, how.resamples - begin)
        drawn = random.integers(0, rows, size=(size, rows))
        yield np.stack([np.bincount(one, minlength=rows) for one in drawn]).astype(np.float64)


def curves(labels: Floats, probabilities: Floats) -> dict[str, list[list[float]]]:
    """Return the points to draw, each kind as two lists.

    `roc`: false and true positive rate. `precision_recall`: recall and precision. `calibration`: mean probability and
    share of ones in tenths of the rows.
    """
    ranking = Ranking.of(probabilities)
    ones = np.cumsum(np.add.reduceat(labels[ranking.order], ranking.starts)[::-1])
    taken = np.cumsum(np.diff(np.append(ranking.starts, len(labels)))[::-1])
    some = np.unique(np.linspace(0, len(ones) - 1, _POINTS).astype(int))
    hits, all_ones, zeros = ones[some], max(labels.sum(), 1), max(len(labels) - labels.sum(), 1)
    tenths = [tenth for tenth in np.array_split(ranking.order, 10) if len(tenth)]
    return {
        "roc": [[0.0, *((taken[some] - hits) / zeros).tolist()], [0.0, *(hits / all_ones).tolist()]],
        "precision_recall": [(hits / all_ones).tolist(), (hits / taken[some]).tolist()],
        "calibration": [
            [float(probabilities[tenth].mean()) for tenth in tenths],
            [float(labels[tenth].mean()) for tenth in tenths],
        ],
    }
