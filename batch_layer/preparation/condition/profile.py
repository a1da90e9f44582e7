"""What a batch's records look like: small states that merge in any order into that of all of them. Pure.

A profile of one record is a profile; the profile of a batch is the merge of those of its parts. So parts are looked at where
they lie, and a topic's day grows with every run. Everything is exact but the moments, which are floating sums, and the
numbers of distinct values, which are estimates:

    numbers      counted by bucket: `[g^k, g^(k+1))` for g = 2^(1/8), so that a bucket's width is 9 % of its values; negative
                 values in mirrored buckets, 0 in its own
    texts        counted by value while there are at most MANY different ones, and by form: `N14228` is of the form `A9`
    times        counted by the hour of the day

References:
    Masson, Rim, Lee: DDSketch: a fast and fully-mergeable quantile sketch. PVLDB 2019. (The buckets.)
    Pebay: Formulas for robust, one-pass parallel computation of covariances and arbitrary-order statistical moments.
    Sandia 2008. (The third moment.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import msgspec

Number = int | float

MANY = 100
"""So many different texts, or forms, are counted one by one; of more, none is."""
PER_OCTAVE = 8
"""Buckets between a number and its double."""
_ZERO_BUCKET = 0
SHIFT = 16_384
"""Added to a bucket's power, so that the bucket of a positive number is positive: doubles reach from 2^-1074 to 2^1024."""

_GREATEST_POWER = 1023.99
GREATEST = 1e80
"""Moments take what is greater as this, so that third powers of all of them remain doubles."""


class Moments(msgspec.Struct, frozen=True):
    """How many values, their mean, and the sums of the second and third powers of their distances from it."""

    n: int = 0
    mean: float = 0.0
    m2: float = 0.0
    m3: float = 0.0

    def merge(self, other: Moments) -> Moments:
        """Return the moments of both sides' values."""
        if not self.n or not other.n:
            return self if self.n else other
        n, delta = self.n + other.n, other.mean - self.mean
        product = self.n * other.n
        m2 = self.m2 + other.m2 + delta**2 * product / n
        m3 = self.m3 + other.m3 + delta**3 * product * (self.n - other.n) / n**2
        m3 += 3 * delta * (self.n * other.m2 - other.n * self.m2) / n
        return Moments(n, self.mean + delta * other.n / n, m2, m3)

    @property
    def spread(self) -> float:
        """Return the standard deviation, 0 for no value or a constant."""
        return math.sqrt(max(self.m2, 0.0) / self.n) if self.n else 0.0

    @property
    def skew(self) -> float:
        """Return the skewness: 0 where it is even, positive where the long tail is of great values."""
        return self.m3 / self.n / self.spread**3 if self.spread else 0.0


class ColumnProfile(msgspec.Struct, frozen=True, kw_only=True):
    """What a column's values look like.

    Attributes:
        rows: records looked at. missing: how many of them have no value, though nothing unreadable was given.
        unreadable: values of another type than the declared one. refused: values out of bounds, or missing where required.
        repaired: values that a repair changed.
        least, greatest: of numbers.
        buckets: number's bucket, or hour of the day, -> how many values.
        texts, forms: how many values; None where there are more than MANY different ones.
        distinct: HyperLogLog registers, a character each; empty for no value (see `registers`).
    """

    rows: int = 0
    missing: int = 0
    unreadable: int = 0
    refused: int = 0
    repaired: int = 0
    least: float | None = None
    greatest: float | None = None
    moments: Moments = Moments()
    buckets: dict[int, int] = {}
    texts: dict[str, int] | None = {}
    forms: dict[str, int] | None = {}
    distinct: str = ""

    def merge(self, other: ColumnProfile) -> ColumnProfile:
        """Return the profile of both sides' values."""
        return ColumnProfile(
            rows=self.rows + other.rows,
            missing=self.missing + other.missing,
            unreadable=self.unreadable + other.unreadable,
            refused=self.refused + other.refused,
            repaired=self.repaired + other.repaired,
            least=_extreme(min, self.least, other.least),
            greatest=_extreme(max, self.greatest, other.greatest),
            moments=self.moments.merge(other.moments),
            buckets=added(self.buckets, other.buckets),
            texts=_few(self.texts, other.texts),
            forms=_few(self.forms, other.forms),
            distinct=merged_registers(self.distinct, other.distinct),
        )


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """What a batch's records look like.

    Attributes:
        rows: records. accepted: those that can be used and are no copy by `log_from`. quarantined: those that cannot.
        first_ms, last_ms: append times. begin_ms, end_ms: event times.
        headers: the headers of its CSV files, each as declared in the file.
        keys: HyperLogLog registers of the unique keys; empty without one.
        columns: by name.
    """

    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    first_ms: int | None = None
    last_ms: int | None = None
    begin_ms: int | None = None
    end_ms: int | None = None
    headers: tuple[str, ...] = ()
    keys: str = ""
    columns: dict[str, ColumnProfile] = {}

    def merge(self, other: Profile) -> Profile:
        """Return the profile of both sides' records, which have none in common."""
        names = dict.fromkeys((*self.columns, *other.columns))
        nothing = ColumnProfile()
        return Profile(
            rows=self.rows + other.rows,
            accepted=self.accepted + other.accepted,
            quarantined=self.quarantined + other.quarantined,
            first_ms=_extreme(min, self.first_ms, other.first_ms),
            last_ms=_extreme(max, self.last_ms, other.last_ms),
            begin_ms=_extreme(min, self.begin_ms, other.begin_ms),
            end_ms=_extreme(max, self.end_ms, other.end_ms),
            headers=tuple(sorted({*self.headers, *other.headers})),
            keys=merged_registers(self.keys, other.keys),
            columns={
                name: self.columns.get(name, nothing).merge(other.columns.get(name, nothing)) for name in sorted(names)
            },
        )


def bucket_of(value: float) -> int:
    """Return the bucket of a number.

    Example:
        >>> bucket_of(0.0), bucket_of(1.0) == bucket_of(1.09), bucket_of(2.0) - bucket_of(1.0)
        (0, True, 8)
        >>> bucket_of(-3.0) == -bucket_of(3.0)
        True
    """
    if value == 0:
        return _ZERO_BUCKET
    power = math.floor(math.log2(abs(value)) * PER_OCTAVE) + SHIFT
    return power if value > 0 else -power


def bucket_begin(bucket: int) -> float:
    """Return the end of a bucket's range that is nearer to 0.

    Example:
        >>> bucket_begin(bucket_of(8.5)), bucket_begin(bucket_of(-8.5)), bucket_begin(0)
        (8.0, -8.0, 0.0)
    """
    if bucket == _ZERO_BUCKET:
        return 0.0
    size = math.pow(2.0, min((abs(bucket) - SHIFT) / PER_OCTAVE, _GREATEST_POWER))
    return size if bucket > 0 else -size


def bucket_middle(bucket: int) -> float:
    """Return the geometric middle of a bucket's range."""
    return bucket_begin(bucket) * math.pow(2.0, 0.5 / PER_OCTAVE)


def added(left: dict[int, int], right: dict[int, int]) -> dict[int, int]:
    """Return the sums of two sets of counters."""
    return {key: left.get(key, 0) + right.get(key, 0) for key in sorted({*left, *right})}


def merged_registers(left: str, right: str) -> str:
    """Return registers with the greater rank of each."""
    if not left or not right:
        return left or right
    return bytes(map(max, left.encode(), right.encode())).decode()


def few(counts: dict[str, int]) -> dict[str, int] | None:
    """Return the counters of different texts in order; None for too many."""
    return {key: counts[key] for key in sorted(counts)} if len(counts) <= MANY else None


def _few(left: dict[str, int] | None, right: dict[str, int] | None) -> dict[str, int] | None:
    if left is None or right is None:
        return None
    return few({key: left.get(key, 0) + right.get(key, 0) for key in {*left, *right}})


def _extreme(choose: Callable[..., Any], left: Number | None, right: Number | None) -> Any:
    if left is None or right is None:
        return right if left is None else left
    return choose(left, right)
