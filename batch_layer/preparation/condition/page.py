"""The report as one HTML page: what matters first, then each batch with its columns. Nothing is loaded from elsewhere."""

from __future__ import annotations

import datetime as dt
from html import escape
from typing import TYPE_CHECKING

from batch_layer.preparation.condition import comparing as c
from batch_layer.preparation.condition.charts import bars, line
from batch_layer.preparation.condition.findings import percent
from batch_layer.preparation.condition.profile import PER_OCTAVE, bucket_begin
from batch_layer.preparation.condition.report import figures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch_layer.preparation.condition.findings import Finding
    from batch_layer.preparation.condition.profile import ColumnProfile
    from batch_layer.preparation.condition.report import BatchReport, SourceCondition

_MOST_BARS = 24
_STYLE = """
:root { color-scheme: light dark; --ink: #1c2530; --paper: #fff; --pale: #eef1f5; --line: #c8d0da; --blue: #2f6fb3; --red: #b3372f;
  --amber: #a86a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9ef; --paper: #161b22; --pale: #222a34; --line: #445060; --blue: #6aa8e8;
  --red: #f0857d; --amber: #e0ac50; } }
body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); max-width: 76rem; margin: 2rem auto;
  padding: 0 1rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem; } p.quiet, td.quiet { opacity: .7; }
ol { padding: 0; list-style: none; } li { border-left: 4px solid var(--amber); background: var(--pale); margin: .5rem 0;
  padding: .6rem .9rem; } li.stops { border-color: var(--red); } li b { margin-right: .4rem; }
.good { border-left: 4px solid #3a8f4d; background: var(--pale); padding: .6rem .9rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-size: .9rem; }
th, td { text-align: right; padding: .3rem .6rem; border-bottom: 1px solid var(--line); vertical-align: middle; }
th:first-child, td:first-child, td.text { text-align: left; } tr.found td:first-child { font-weight: bold; color: var(--red); }
svg { display: block; } .then { fill: var(--line); } .now { fill: var(--blue); fill-opacity: .85; }
.line { fill: none; stroke: var(--blue); stroke-width: 1.5; }
"""
_HEAD = (
    "<tr><th>column</th><th>missing</th><th>unreadable</th><th>out of bounds</th><th>repaired</th><th>distinct</th>"
    "<th>min</th><th>median</th><th>mean</th><th>max</th><th>spread</th><th>skew</th><th>values (grey: before)</th>"
    "<th>from batch to batch</th></tr>"
)


def page(report: SourceCondition) -> str:
    """Return the page of a source's condition."""
    name, findings = escape(report.source), report.findings
    told = "".join(map(_finding, findings))
    few = f"{len(report.batches)} batch{'' if len(report.batches) == 1 else 'es'}"
    first = (
        f"<ol>{told}</ol>"
        if findings
        else '<p class="good">Nothing is out of the ordinary, as far as it was compared.</p>'
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>Condition of {name}</title><style>{_STYLE}</style></head><body><h1>Condition of {name}</h1>"
        f'<p class="quiet">{few} assessed at {_moment(report.at_ms)}; {len(findings)} findings</p>'
        f"{first}{''.join(map(_batch, report.shown))}</body></html>"
    )


def _finding(one: Finding) -> str:
    kind = "stops" if one.stops else "told"
    where = escape(one.where or "the batch")
    return (
        f'<li class="{kind}"><b>{where}</b> in batch {escape(one.batch)}: expected {escape(one.expected)}; found '
        f"{escape(one.found)}.<br><span>{'This stops the preparation. ' if one.stops else ''}What to do: {escape(one.do)}."
        f"</span></li>"
    )


def _batch(one: BatchReport) -> str:
    own = one.profile
    share = percent(own.quarantined / own.rows) if own.rows else "none"
    compared = (
        f"compared with {len(one.past)} earlier batches" if one.past else "the first one: nothing to compare with"
    )
    still = "" if one.whole else "; its day may still go on"
    found = {finding.where for finding in one.findings}
    rows = "".join(_column(one, name, column, found=name in found) for name, column in own.columns.items())
    return (
        f"<h2>Batch {escape(one.batch)}</h2><p class='quiet'>{own.rows:,} records, {own.quarantined:,} quarantined "
        f"({share}); appended {_moment(own.first_ms)} to {_moment(own.last_ms)}; happened {_moment(own.begin_ms)} to "
        f"{_moment(own.end_ms)}; {compared}{still}</p><div class='scroll'><table>{_HEAD}{rows}</table></div>"
    )


def _column(one: BatchReport, name: str, column: ColumnProfile, *, found: bool) -> str:
    earlier = [past.columns[name] for past in one.past.values() if name in past.columns]
    told = figures(column)
    numbers = [told["min"], told["median"], told["mean"], told["max"], told["spread"], told["skew"]]
    history = [*earlier, column]
    trend = [part.moments.mean if part.moments.n else None for part in history]
    drawn = line(trend, "mean") or line([c.missing_share(part) for part in history], "share of missing values")
    cells = "".join(f"<td>{_number(value)}</td>" for value in numbers)
    return (
        f"<tr{' class=found' if found else ''}><td>{escape(name)}</td><td>{percent(c.missing_share(column))}</td>"
        f"<td>{column.unreadable:,}</td><td>{column.refused:,}</td><td>{column.repaired:,}</td><td>{told['distinct']:,}</td>"
        f"{cells}<td>{_bars(column, c.merged(earlier))}</td><td>{drawn}</td></tr>"
    )


def _bars(column: ColumnProfile, earlier: ColumnProfile) -> str:
    own, then = c.counters(column) or {}, c.counters(earlier) or {}
    if column.texts and (own or then):
        keys: Sequence[object] = sorted({*own, *then}, key=lambda key: -(own.get(key, 0) + then.get(key, 0)))[
            :_MOST_BARS
        ]
    else:
        most = sorted({*own, *then}, key=lambda key: -(own.get(key, 0) + then.get(key, 0)))[:_MOST_BARS]
        keys = sorted(most)  # type: ignore[type-var]
    sums = [max(sum(counts.values()), 1) for counts in (own, then)]
    shares = [[counts.get(key, 0) / total for key in keys] for counts, total in zip((own, then), sums, strict=True)]
    return bars([_name(column, key) for key in keys], *shares)


def _name(column: ColumnProfile, key: object) -> str:
    if column.moments.n and isinstance(key, int):
        return f"around {bucket_begin(key * PER_OCTAVE // 2):,.4g}"
    return f"{key}:00" if column.buckets else str(key)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _moment(milliseconds: int | None) -> str:
    if milliseconds is None:
        return "?"
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M")
