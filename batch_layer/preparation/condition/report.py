"""The report of a source's condition: one HTML page without anything from elsewhere, and the same as JSON for programs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from batch_layer.preparation.condition import comparing as c
from batch_layer.preparation.condition.measuring import distinct_of
from batch_layer.preparation.condition.profile import bucket_middle

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from batch_layer.preparation.condition.findings import Finding
    from batch_layer.preparation.condition.profile import ColumnProfile, Profile

MOST_BATCHES = 20
"""Of more batches that were judged at once, the page shows those with findings first, then the newest."""


@dataclass(frozen=True)
class BatchReport:
    """A batch that was judged.

    Attributes:
        past: the batches before it, oldest first.
        whole: whether no more records can belong to it.
    """

    batch: str
    profile: Profile
    past: Mapping[str, Profile]
    findings: list[Finding]
    whole: bool = True


@dataclass(frozen=True)
class SourceCondition:
    """What was found of a source at a moment.

    Attributes:
        age: the finding about a source whose newest record is too old, if it is.
    """

    source: str
    at_ms: int
    batches: list[BatchReport]
    age: list[Finding]

    @property
    def findings(self) -> list[Finding]:
        """Return all findings, the most important first."""
        return sorted(
            [*self.age, *(one for batch in self.batches for one in batch.findings)], key=lambda one: -one.weight
        )

    @property
    def shown(self) -> list[BatchReport]:
        """Return the batches that the page shows."""
        newest_first = self.batches[::-1]
        return sorted(newest_first, key=lambda one: not one.findings)[:MOST_BATCHES]


def write(folder: Path, report: SourceCondition) -> Path:
    """Write page and JSON in the place of the last ones; return where the page is."""
    from batch_layer.preparation.condition.page import page  # draws what this module holds

    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{report.source}.json").write_bytes(msgspec.json.encode(as_plain(report)))
    path = folder / f"{report.source}.html"
    path.write_text(page(report), encoding="utf-8")
    return path


def as_plain(report: SourceCondition) -> dict[str, Any]:
    """Return the report as plain values: findings, then batches with the figures of each column."""
    return {
        "source": report.source,
        "at_ms": report.at_ms,
        "findings": [
            {
                "batch": one.batch,
                "check": one.check,
                "column": one.where or None,
                "expected": one.expected,
                "found": one.found,
                "do": one.do,
                "measured": one.measured,
                "limit": one.limit,
                "stops": one.stops,
                "sentence": one.sentence,
            }
            for one in report.findings
        ],
        "batches": [
            {
                "batch": one.batch,
                "rows": one.profile.rows,
                "accepted": one.profile.accepted,
                "quarantined": one.profile.quarantined,
                "appended_ms": [one.profile.first_ms, one.profile.last_ms],
                "happened_ms": [one.profile.begin_ms, one.profile.end_ms],
                "whole": one.whole,
                "compared_with": list(one.past),
                "columns": {name: figures(column) for name, column in one.profile.columns.items()},
            }
            for one in report.batches
        ],
    }


def figures(column: ColumnProfile) -> dict[str, Any]:
    """Return a column's figures by name; those of numbers are null for other columns."""
    number = column.moments.n > 0
    return {
        "rows": column.rows,
        "missing": column.missing,
        "missing_share": c.missing_share(column),
        "unreadable": column.unreadable,
        "refused": column.refused,
        "repaired": column.repaired,
        "distinct": distinct_of(column.distinct),
        "min": column.least,
        "max": column.greatest,
        "mean": column.moments.mean if number else None,
        "spread": column.moments.spread if number else None,
        "skew": column.moments.skew if number else None,
        "p1": quantile(column, 0.01),
        "median": quantile(column, 0.5),
        "p99": quantile(column, 0.99),
        "top": _top(column.texts),
        "forms": _top(column.forms),
    }


def quantile(column: ColumnProfile, q: float) -> float | None:
    """Return a quantile of a number from its buckets: the middle of the bucket, at most 5 % away from the value there."""
    n, below = column.moments.n, 0
    for bucket in sorted(column.buckets) if n else ():
        below += column.buckets[bucket]
        if below >= q * n:
            middle = bucket_middle(bucket)
            return min(max(middle, column.least or 0.0), column.greatest or 0.0)
    return None


def _top(counts: dict[str, int] | None) -> dict[str, int]:
    """Return the ten most frequent."""
    return dict(sorted((counts or {}).items(), key=lambda one: (-one[1], one[0]))[:10])
