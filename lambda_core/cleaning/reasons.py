"""Why a record cannot be used: what is wrong, and a sentence that names the column, what was expected and found."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.cleaning.conversions import EXPECTED

if TYPE_CHECKING:
    from pyspark.sql import Column

    from lambda_core.config.sources import Column as Declared
    from lambda_core.config.sources import RowRule, Source

_SHOWN = 100


@dataclass(frozen=True)
class Reason:
    """One thing that may be wrong with a record.

    Attributes:
        wrong: whether it is; null means that it is not.
        sentence: what is said of it then; never null then.
    """

    wrong: Column
    sentence: Column

    def told(self) -> Column:
        """Return an array of the sentence where it is wrong, else an empty one."""
        return F.when(self.wrong, F.array(self.sentence)).otherwise(F.array().cast("array<string>"))


def unreadable(name: str, declared: Declared, given: Column, value: Column) -> Reason:
    """Return a reason where something was given but no value of the declared type came of it."""
    found = F.concat(F.lit(f"{name}: expected {EXPECTED[declared.type]}, found "), _quoted(given))
    return Reason(given.isNotNull() & value.isNull(), found)


def missing(name: str, absent: Column) -> Reason:
    """Return a reason where a required value is absent."""
    return Reason(absent, F.lit(f"{name}: expected a value, found none"))


def out_of_bounds(name: str, declared: Declared) -> Reason:
    """Return a reason where the column's value lies outside its declared bounds."""
    low, high = _literal(declared.min, declared), _literal(declared.max, declared)
    value = F.col(f"`{name}`")
    outside = F.lit(False)  # noqa: FBT003
    if low is not None:
        outside = outside | (value < F.expr(low))
    if high is not None:
        outside = outside | (value > F.expr(high))
    unit = f" {declared.unit}" if declared.unit else ""
    found = F.concat(F.lit(f"{name}: expected {_range(declared)}{unit}, found "), value.cast("string"))
    return Reason(outside, found)


def broken_rule(rule: RowRule) -> Reason:
    """Return a reason where the rule is false; a rule that is null passes."""
    return Reason(~F.expr(rule.rule), F.lit(f"row rule {rule.name}: expected {rule.rule}, found it false"))


def wrong_time(source: Source, first_ms: int) -> list[Reason]:
    """Return the reasons for an event time that is missing, before the first year, or beyond the append time."""
    name = source.event_time
    time, latest = F.col("event_time_ms"), F.col("append_time_ms") + F.lit(source.tolerance_ms)
    early = F.concat(F.lit(f"{name}: expected a time from {source.first_year} on, found "), _moment(time))
    beyond = f"{name}: expected a time at most {source.tolerance_ms} ms after the record's append time "
    late = F.concat(F.lit(beyond), _moment(F.col("append_time_ms")), F.lit(", found "), _moment(time))
    return [
        Reason(time.isNull(), F.lit(f"{name}: expected the time of the event, found none")),
        Reason(time < F.lit(first_ms), early),
        Reason(time > latest, late),
    ]


def _moment(milliseconds: Column) -> Column:
    return F.date_format(F.timestamp_millis(milliseconds), "yyyy-MM-dd'T'HH:mm:ss.SSSX")


def _quoted(value: Column) -> Column:
    return F.concat(F.lit("'"), F.left(value.cast("string"), F.lit(_SHOWN)), F.lit("'"))


def _range(declared: Declared) -> str:
    low, high = _plain(declared.min), _plain(declared.max)
    if low is None:
        return f"at most {high}"
    return f"at least {low}" if high is None else f"{low} to {high}"


def _plain(bound: float | None) -> str | None:
    return None if bound is None else f"{Decimal(repr(bound)).normalize():f}"


def _literal(bound: float | None, declared: Declared) -> str | None:
    """Return the bound as a literal that compares exactly with the column's type."""
    text = _plain(bound)
    if text is None:
        return None
    return f"{text}D" if declared.type == "float" else f"{text}BD"
