"""Where a split is uneven: sentences with figures, from counts alone.

A difference is told when it is larger than chance makes it (three standard errors) and large enough to matter.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import TYPE_CHECKING

from batch_layer.segregation.strategy import TEST, TRAIN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

STANDARD_ERRORS = 3.0
MATTERS = 0.1
"""A difference of two shares, as a share of the smaller one of the pooled share and its rest."""
SMALL, LARGE = 0.05, 0.5
"""Between these should lie the share of the test in training and test together."""
TIMES = 2.0
"""How many times as often as in another partition a label may come before it is told."""


@dataclass(frozen=True)
class SplitCount:
    """Rows of one split and partition, how many of them have a label, and how many the label 1."""

    split: str
    partition: str | None
    rows: int
    positives: int
    labelled: int


def unevenness(counts: Sequence[SplitCount]) -> tuple[str, ...]:
    """Return a sentence for each distribution in which training and test, or partitions, differ; none when even.

    Example:
        >>> unevenness([SplitCount("train", "a", 800, 80, 800), SplitCount("test", "a", 200, 60, 200)])
        ('label: 10.0% of 800 training rows are 1, and 30.0% of 200 test rows',)
        >>> unevenness([SplitCount("train", "a", 800, 80, 800), SplitCount("test", "a", 200, 21, 200)])
        ()
    """
    train, test = (_Side.of(count for count in counts if count.split == split) for split in (TRAIN, TEST))
    return (*_sizes(train, test), *_labels("label", train, test), *_partitions(counts, train, test))


@dataclass(frozen=True)
class _Side:
    rows: int
    positives: int
    labelled: int

    @classmethod
    def of(cls, counts: Iterable[SplitCount]) -> _Side:
        kept = list(counts)
        return cls(*(sum(getattr(count, name) for count in kept) for name in ("rows", "positives", "labelled")))

    @property
    def share(self) -> float:
        return self.positives / self.labelled if self.labelled else 0.0


def _sizes(train: _Side, test: _Side) -> Iterator[str]:
    both = train.rows + test.rows
    if both and not SMALL <= test.rows / both <= LARGE:
        yield (
            f"sizes: {test.rows} test rows beside {train.rows} training rows are {test.rows / both:.1%} of both; "
            f"expected {SMALL:.0%} to {LARGE:.0%}"
        )


def _labels(what: str, train: _Side, test: _Side) -> Iterator[str]:
    if _differ((train.positives, train.labelled), (test.positives, test.labelled)):
        yield (
            f"{what}: {train.share:.1%} of {train.labelled} training rows are 1, "
            f"and {test.share:.1%} of {test.labelled} test rows"
        )


def _partitions(counts: Sequence[SplitCount], train: _Side, test: _Side) -> Iterator[str]:
    """Yield what is told of partitions: missing on a side, of another weight, with other labels; and of all of them."""
    partitions, shares = dict.fromkeys(count.partition for count in counts), {}
    if len(partitions) == 1:  # it is the whole, of which all is told
        return
    for partition in partitions:
        mine = [count for count in counts if count.partition == partition]
        learnt, tested = (_Side.of(count for count in mine if count.split == split) for split in (TRAIN, TEST))
        if not learnt.rows or not tested.rows:
            yield f"partition {partition}: {learnt.rows} training rows and {tested.rows} test rows; it needs both"
            continue
        if _differ((learnt.rows, train.rows), (tested.rows, test.rows)):
            weights = learnt.rows / train.rows, tested.rows / test.rows
            yield f"partition {partition}: {weights[0]:.1%} of the training rows, and {weights[1]:.1%} of the test rows"
        yield from _labels(f"partition {partition}", learnt, tested)
        shares[partition] = learnt
    if len(shares) > 1:
        least, most = (choose(shares, key=lambda name: shares[name].share) for choose in (min, max))
        low, high = shares[least], shares[most]
        apart = high.share > TIMES * low.share
        if apart and _differ((low.positives, low.labelled), (high.positives, high.labelled)):
            yield (
                f"partitions: {low.share:.1%} of {low.labelled} training rows are 1 in {least}, "
                f"and {high.share:.1%} of {high.labelled} in {most}"
            )


def _differ(left: tuple[int, int], right: tuple[int, int]) -> bool:
    """Tell whether two shares, each as (part, whole), differ by more than chance and by enough to matter."""
    if not left[1] or not right[1]:
        return False
    pooled = (left[0] + right[0]) / (left[1] + right[1])
    distance = abs(left[0] / left[1] - right[0] / right[1])
    error = sqrt(pooled * (1 - pooled) * (1 / left[1] + 1 / right[1]))
    return distance > STANDARD_ERRORS * error and distance > MATTERS * min(pooled, 1 - pooled)
