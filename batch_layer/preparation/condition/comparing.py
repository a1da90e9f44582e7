"""How far a column's profile lies from those of earlier batches, by measures that are 0 where nothing differs. Pure.

Every measure of a batch is taken against earlier batches together, and of each earlier batch against all the others: what
those show among themselves is the usual, and only what goes beyond it is news.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, TypeVar

from batch_layer.preparation.condition.measuring import distinct_of
from batch_layer.preparation.condition.profile import PER_OCTAVE, ColumnProfile, Profile, bucket_begin, merged_registers

if TYPE_CHECKING:
    from collections.abc import Hashable, Mapping, Sequence

Key = TypeVar("Key")
_COARSE = PER_OCTAVE // 2
"""So many buckets are one when distributions are compared: two an octave, so that chance fills each."""
_ERRORS = 3
"""So many standard errors may be chance."""


def divergence(left: Mapping[Key, int], right: Mapping[Key, int]) -> float:
    """Return the Jensen-Shannon divergence of two sets of counters in bits: 0 for equal shares, 1 for nothing in common.

    Example:
        >>> divergence({"a": 1, "b": 1}, {"a": 50, "b": 50}), divergence({"a": 9}, {"b": 2})
        (0.0, 1.0)
    """
    n_left, n_right = sum(left.values()), sum(right.values())
    if not n_left or not n_right:
        return 0.0
    total = 0.0
    for key in {*left, *right}:
        p, q = left.get(key, 0) / n_left, right.get(key, 0) / n_right
        total += sum(share * math.log2(share / ((p + q) / 2)) / 2 for share in (p, q) if share)
    return min(max(total, 0.0), 1.0)


def rest(total: Mapping[Key, int], part: Mapping[Key, int]) -> dict[Key, int]:
    """Return the counters without those of a part."""
    return {key: left for key, count in total.items() if (left := count - part.get(key, 0)) > 0}


def new_share(own: Mapping[Key, int], known: Mapping[Key, int]) -> float:
    """Return the share of what was counted that others do not know at all.

    Example:
        >>> new_share({"a": 3, "b": 1}, {"a": 7})
        0.25
    """
    n = sum(own.values())
    return sum(count for key, count in own.items() if not known.get(key)) / n if n else 0.0


def counters(column: ColumnProfile) -> Mapping[Hashable, int] | None:
    """Return what a column's distribution is compared by; None where too many different texts were seen."""
    if column.moments.n:  # a number
        coarse: dict[Hashable, int] = {}
        for bucket, count in column.buckets.items():
            place = -(-bucket // _COARSE) if bucket < 0 else bucket // _COARSE
            coarse[place] = coarse.get(place, 0) + count
        return coarse
    return column.buckets or column.texts  # type: ignore[return-value]


def missing_share(column: ColumnProfile) -> float:
    """Return the share of records without a value."""
    return column.missing / column.rows if column.rows else 0.0


def wrong_share(column: ColumnProfile) -> float:
    """Return the share of records whose value is of another type, or out of bounds."""
    return (column.unreadable + column.refused) / column.rows if column.rows else 0.0


def moved(column: ColumnProfile, total: ColumnProfile) -> float:
    """Return how many standard deviations of all earlier values the mean lies from theirs; infinite beside a constant."""
    if not column.moments.n or not total.moments.n:
        return 0.0
    apart = abs(column.moments.mean - total.moments.mean)
    if apart <= 1e-9 * max(abs(total.moments.mean), 1e-300):
        return 0.0
    return apart / total.moments.spread if total.moments.spread else math.inf


def beyond_share(column: ColumnProfile, least: float, greatest: float) -> float:
    """Return the share of a number's values that lie outside of a range by more than its width (by whole buckets)."""
    n, width = column.moments.n, greatest - least
    if not n:
        return 0.0
    outside = sum(
        count
        for bucket, count in column.buckets.items()
        if not least - width <= bucket_begin(bucket) <= greatest + width
    )
    return outside / n


def by_chance(share: float, n: int) -> float:
    """Return how far a share of n values may lie from what it is a sample of."""
    return _ERRORS * math.sqrt(max(share * (1 - share), 0.25 / max(n, 1)) / max(n, 1))


def shared_keys(own: Profile, other: Profile) -> float:
    """Return which share of a batch's unique keys another one holds too: at least that, beyond the error of the estimate."""
    if not own.keys or not other.keys:
        return 0.0
    mine, both = distinct_of(own.keys), distinct_of(merged_registers(own.keys, other.keys))
    error = _ERRORS * 1.04 / math.sqrt(len(own.keys)) * both
    return max(mine + distinct_of(other.keys) - both - error, 0.0) / mine if mine else 0.0


def merged(columns: Sequence[ColumnProfile]) -> ColumnProfile:
    """Return the profile of all of them together."""
    return reduce(ColumnProfile.merge, columns, ColumnProfile())
