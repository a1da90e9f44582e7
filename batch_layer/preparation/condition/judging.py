"""Which differences between a batch and those before it are findings. Pure.

1. Of the earlier batches the newest `history` count; with fewer than `least_history` of at least `least_rows` records, only
   what needs no comparison is looked at: fields that are declared and lacking, values that cannot be used.
2. A measure is a finding beyond its threshold, and beyond `usual` times the greatest that earlier batches showed.
3. A topic's day that may still go on is not held to what only whole days show: row count, distribution, mean.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from batch_layer.preparation.condition import comparing as c
from batch_layer.preparation.condition.columns import ColumnJudge
from batch_layer.preparation.condition.fields import absent_fields, columns_that_emptied, field_changes
from batch_layer.preparation.condition.findings import Finding, percent
from batch_layer.preparation.condition.measuring import distinct_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from batch_layer.preparation.condition.profile import Profile
    from lambda_core.config.condition import Check, ConditionSection
    from lambda_core.config.sources import Source


@dataclass(frozen=True)
class Judge:
    """Judges the batches of one source.

    Attributes:
        name: the source's. source: its declaration. files: header of CSV files -> one that begins with it.
        keys: returns the keys of a batch's JSON objects, or of some; asked only where a column has no value.
    """

    name: str
    source: Source
    files: Mapping[str, str] = field(default_factory=dict)
    keys: Callable[[str], Iterable[str]] = lambda _: ()

    @property
    def settings(self) -> ConditionSection:
        """Return the thresholds."""
        return self.source.condition

    def judge(self, batch: str, own: Profile, past: Sequence[Profile], *, whole: bool = True) -> list[Finding]:
        """Return what is to be told of a batch, the most important first.

        Args:
            batch: its name.
            own: its profile.
            past: those of the batches before it, oldest first.
            whole: whether no more records can belong to it.
        """
        past = past[-self.settings.history :]
        found = [*self._fields(batch, own, past), *self._objects(batch, own, past)]
        found += self._batch(batch, own, past, whole=whole)
        large = [one for one in past if one.rows >= self.settings.least_rows]
        if own.rows >= self.settings.least_rows:
            known = large if len(large) >= self.settings.least_history else []
            for name, column in own.columns.items():
                if name not in self.settings.ignore:
                    earlier = [one.columns[name] for one in known if name in one.columns]
                    telling = partial(self.told, batch=batch, where=name)
                    found += ColumnJudge(
                        self.settings, self.source.all_columns[name], column, earlier, telling
                    ).findings(whole=whole)
        return sorted(found, key=lambda one: -one.weight)

    def told(self, check: Check, measured: float, limit: float, *, batch: str, where: str = "", **said: str) -> Finding:
        """Return a finding; one of an accepted batch stops nothing."""
        stops = check in self.settings.fail and batch not in self.settings.accept
        return Finding(
            source=self.name, batch=batch, check=check, where=where, measured=measured, limit=limit, stops=stops, **said
        )

    def _fields(self, batch: str, own: Profile, past: Sequence[Profile]) -> Iterator[Finding]:
        """Yield what is wrong with the fields of CSV files."""
        before = next((one.headers for one in reversed(past) if one.headers), ())
        changes = field_changes(self.source, own.headers, before, self.files) if own.headers else None
        if changes:
            yield self.told(
                "fields",
                1.0,
                0.0,
                batch=batch,
                expected="the fields that are declared, and those of the batch before",
                found=changes.found,
                do=changes.remedy(self.name),
            )

    def _objects(self, batch: str, own: Profile, past: Sequence[Profile]) -> Iterator[Finding]:
        """Yield the declared fields that JSON objects lack: CSV files have headers, these are known by what they leave empty."""
        emptied = [] if own.headers else columns_that_emptied(self.source, own, past)
        for one in absent_fields(self.source, own, emptied, self.keys(batch)) if emptied else ():
            yield self.told(
                "fields",
                1.0,
                0.0,
                batch=batch,
                where=one.column,
                expected=f"a field {one.field!r} in some record",
                found=one.found,
                do=one.remedy(self.name),
            )

    def _batch(self, batch: str, own: Profile, past: Sequence[Profile], *, whole: bool) -> Iterator[Finding]:
        settings = self.settings
        share, limit = own.quarantined / own.rows if own.rows else 0.0, settings.refused
        limit += max((one.quarantined / one.rows for one in past if one.rows), default=0.0)
        limit += c.by_chance(limit, own.rows)
        if share > limit:
            yield self.told(
                "refused",
                share,
                limit,
                batch=batch,
                expected=f"at most {percent(limit)} of the records in quarantine",
                found=f"{percent(share)}, {own.quarantined:,} of {own.rows:,}",
                do=f"look at their reasons: mainstem data quarantine {self.name}",
            )
        counts = [one.rows for one in past if one.rows]
        if whole and len(counts) >= settings.least_history:
            low, high = min(counts) / (1 + settings.rows), max(counts) * (1 + settings.rows)
            if not low <= own.rows <= high:
                times = own.rows / high if own.rows > high else low / max(own.rows, 1)
                yield self.told(
                    "rows",
                    times,
                    1.0,
                    batch=batch,
                    expected=f"{min(counts):,} to {max(counts):,} records, as in {len(counts)} batches before",
                    found=f"{own.rows:,}",
                    do="see whether the producer sent all of it, and only once",
                )
        for other in past:
            again = c.shared_keys(own, other)
            if again > settings.repeated:
                yield self.told(
                    "repeated",
                    again,
                    settings.repeated,
                    batch=batch,
                    where=", ".join(self.source.unique_key),
                    expected="unique keys that were not there before",
                    found=f"at least {percent(again)} of about {distinct_of(own.keys):,} in an earlier batch of "
                    f"{other.rows:,} records: the same data was sent again",
                    do=f"take one of the batches back, or declare a longer sources.{self.name}.duplicate_horizon",
                )
                return
