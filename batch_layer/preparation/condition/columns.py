"""What is to be told of one column of a batch, beside the same column of earlier batches. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_layer.preparation.condition import comparing as c
from batch_layer.preparation.condition.findings import Finding, percent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from batch_layer.preparation.condition.profile import ColumnProfile
    from lambda_core.config.condition import Check, ConditionSection
    from lambda_core.config.sources import Column


class ColumnJudge:
    """Judges one column of one batch."""

    def __init__(
        self,
        settings: ConditionSection,
        declared: Column,
        own: ColumnProfile,
        earlier: Sequence[ColumnProfile],
        telling: Callable[..., Finding],
    ) -> None:
        self._settings, self._declared, self._own, self._earlier = settings, declared, own, earlier
        self._total = c.merged(earlier)
        self._told = telling

    def findings(self, *, whole: bool) -> Iterator[Finding]:
        """Yield what is to be told of the column."""
        yield from self._unreadable()
        if not self._earlier:
            return
        yield from self._missing()
        yield from self._new("categories", lambda column: column.texts, "values")
        yield from self._new("formats", lambda column: column.forms, "forms")
        yield from self._outliers()
        if whole:
            yield from self._mean()
            yield from self._distribution()

    def _unreadable(self) -> Iterator[Finding]:
        share = c.wrong_share(self._own)
        limit = self._settings.unreadable + max(map(c.wrong_share, self._earlier), default=0.0)
        limit += c.by_chance(limit, self._own.rows)
        if share > limit:
            yield self._told(
                "unreadable",
                share,
                limit,
                expected=f"values of type {self._declared.type} within their bounds in all but {percent(limit)} of the records",
                found=f"{self._own.unreadable:,} of another type and {self._own.refused:,} out of bounds or lacking, "
                f"{percent(share)}",
                do="see whether columns were shifted, or the unit or form changed, at the producer's",
            )

    def _missing(self) -> Iterator[Finding]:
        share, usual = c.missing_share(self._own), c.missing_share(self._total)
        apart = [abs(c.missing_share(one) - usual) for one in self._earlier]
        limit = self._limit(self._settings.missing + c.by_chance(usual, self._own.rows), apart)
        if abs(share - usual) > limit:
            yield self._told(
                "missing",
                abs(share - usual),
                limit,
                expected=f"no value in {percent(usual)} of the records, give or take {percent(limit)}",
                found=percent(share),
                do="ask the producer why values are missing, or declare a `fill` if a default is right",
            )

    def _new(
        self, check: Check, of: Callable[[ColumnProfile], Mapping[str, int] | None], what: str
    ) -> Iterator[Finding]:
        own, known = of(self._own), of(self._total)
        if not known:  # too many to be told apart, or none
            return
        if own is None:
            share, shown = 1.0, "more different ones than can be listed"
        else:
            share = c.new_share(own, known)
            new = sorted((key for key in own if key not in known), key=lambda key: -own[key])
            shown = f"{', '.join(map(repr, new[:3]))}{' and others' if len(new) > 3 else ''}"
        before = [c.new_share(part, c.rest(known, part)) for one in self._earlier if (part := of(one)) is not None]
        limit = self._limit(getattr(self._settings, check), before)
        if share > limit:
            yield self._told(
                check,
                share,
                limit,
                expected=f"the {what} of earlier batches in all but {percent(limit)} of the records",
                found=f"{percent(share)} others: {shown}",
                do="see whether they are real; if so they are usual from the next batch on",
            )

    def _outliers(self) -> Iterator[Finding]:
        low, high = self._total.least, self._total.greatest
        if low is None or high is None or low == high:
            return
        share = c.beyond_share(self._own, low, high)
        if share > self._settings.outliers:
            yield self._told(
                "outliers",
                share,
                self._settings.outliers,
                expected=f"values from {low:,.6g} to {high:,.6g}",
                found=f"{percent(share)} of them far beyond, from {self._own.least:,.6g} to {self._own.greatest:,.6g}",
                do="see whether the unit changed; `min` and `max` keep such values out, `clip` brings them in",
            )

    def _mean(self) -> Iterator[Finding]:
        by = c.moved(self._own, self._total)
        chance = 3 / max(self._own.moments.n, 1) ** 0.5
        limit = self._limit(self._settings.mean + chance, [c.moved(one, self._total) for one in self._earlier])
        if by > limit:
            unit = self._declared.unit
            yield self._told(
                "mean",
                by,
                limit,
                expected=f"a mean near {self._total.moments.mean:,.4g}{f' {unit}' if unit else ''}, give or take "
                f"{limit:.2f} standard deviations of {self._total.moments.spread:,.4g}",
                found=f"{self._own.moments.mean:,.4g}, {by:.2f} standard deviations away",
                do="see whether the unit changed at the producer's; `convert` turns it back",
            )

    def _distribution(self) -> Iterator[Finding]:
        own, known = c.counters(self._own), c.counters(self._total)
        if not own or not known:
            return
        apart = c.divergence(own, known)
        parts = [part for one in self._earlier if (part := c.counters(one))]
        limit = self._limit(self._settings.distribution, [c.divergence(part, c.rest(known, part)) for part in parts])
        if apart > limit:
            is_time = self._declared.type == "timestamp"  # type: ignore[comparison-overlap]
            what = "hours of the day" if is_time else "values"
            yield self._told(
                "distribution",
                apart,
                limit,
                expected=f"{what} spread as in earlier batches, within {limit:.3f} bits of divergence",
                found=f"{apart:.3f}",
                do="see whether the time zone changed" if is_time else "compare both in the report",
            )

    def _limit(self, threshold: float, before: Sequence[float]) -> float:
        finite = [one for one in before if one != float("inf")]
        return max(threshold, self._settings.usual * max(finite, default=0.0))
