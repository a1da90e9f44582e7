"""The units that a repair can convert between; exact, so that batch and stream cannot differ by how they round."""

import re
from fractions import Fraction

from pydantic import Field

from lambda_core.config.section import Section


class Convert(Section):
    """From how a producer writes a value to how the column has it.

    Attributes:
        source, target: `from` and `to` in YAML: two units of the same kind for a number; for a text two patterns of a date or
            time, as Spark has them (`dd/MM/yyyy`).
    """

    source: str = Field(alias="from")
    target: str = Field(alias="to")


_INCH = Fraction(254, 10_000)
_MILE = _INCH * 12 * 5_280
_POUND = Fraction(45_359_237, 100_000_000)
UNITS: dict[str, tuple[str, Fraction, Fraction]] = {
    "celsius": ("temperature", Fraction(1), Fraction(0)),
    "kelvin": ("temperature", Fraction(1), Fraction(-27_315, 100)),
    "fahrenheit": ("temperature", Fraction(5, 9), Fraction(-160, 9)),
    "metres": ("length", Fraction(1), Fraction(0)),
    "kilometres": ("length", Fraction(1_000), Fraction(0)),
    "centimetres": ("length", Fraction(1, 100), Fraction(0)),
    "millimetres": ("length", Fraction(1, 1_000), Fraction(0)),
    "miles": ("length", _MILE, Fraction(0)),
    "nautical_miles": ("length", Fraction(1_852), Fraction(0)),
    "feet": ("length", _INCH * 12, Fraction(0)),
    "inches": ("length", _INCH, Fraction(0)),
    "metres_per_second": ("speed", Fraction(1), Fraction(0)),
    "kilometres_per_hour": ("speed", Fraction(1_000, 3_600), Fraction(0)),
    "miles_per_hour": ("speed", _MILE / 3_600, Fraction(0)),
    "knots": ("speed", Fraction(1_852, 3_600), Fraction(0)),
    "kilograms": ("mass", Fraction(1), Fraction(0)),
    "grams": ("mass", Fraction(1, 1_000), Fraction(0)),
    "pounds": ("mass", _POUND, Fraction(0)),
    "ounces": ("mass", _POUND / 16, Fraction(0)),
    "seconds": ("time", Fraction(1), Fraction(0)),
    "milliseconds": ("time", Fraction(1, 1_000), Fraction(0)),
    "minutes": ("time", Fraction(60), Fraction(0)),
    "hours": ("time", Fraction(3_600), Fraction(0)),
    "days": ("time", Fraction(86_400), Fraction(0)),
    "ratio": ("share", Fraction(1), Fraction(0)),
    "percent": ("share", Fraction(1, 100), Fraction(0)),
    "units": ("money", Fraction(1), Fraction(0)),
    "cents": ("money", Fraction(1, 100), Fraction(0)),
}
"""Unit -> its kind, and factor and offset to the kind's first unit: that = this * factor + offset."""


def conversion(source: str, target: str) -> tuple[Fraction, Fraction]:
    """Return factor and offset from one unit to another: target = source * factor + offset.

    Example:
        >>> conversion("fahrenheit", "celsius"), conversion("cents", "units")
        ((Fraction(5, 9), Fraction(-160, 9)), (Fraction(1, 100), Fraction(0, 1)))
    """
    _, factor, offset = UNITS[source]
    _, own_factor, own_offset = UNITS[target]
    return factor / own_factor, (offset - own_offset) / own_factor


def wrong_convert(convert: Convert, kind: str) -> str | None:
    """Return the sentence about a conversion that cannot be, for a column of this type; None where it can."""
    if kind == "string":
        return _wrong_pattern(convert.source, _READ) or _wrong_pattern(convert.target, _READ + _WRITTEN)
    for unit in (convert.source, convert.target):
        if unit not in UNITS:
            return f"expected a unit among {', '.join(sorted(UNITS))}; found {unit!r}"
    kinds = UNITS[convert.source][0], UNITS[convert.target][0]
    if kinds[0] != kinds[1]:
        return f"expected two units of one kind, found {convert.source} ({kinds[0]}) and {convert.target} ({kinds[1]})"
    return None


_READ = "GyMLdDgahHkKmsSvVzOXxZ"
_WRITTEN = "EFQq"
"""The letters of a pattern that Spark takes to read a date or time, and those that it takes only to write one."""
_QUOTED = re.compile(r"'[^']*'")


def _wrong_pattern(pattern: str, letters: str) -> str | None:
    """Return the sentence about a pattern that Spark refuses, or that means another date than it looks like.

    A date whose day is one of the year, or whose month is a number of minutes, would be left as it is or made another,
    without a word.
    """
    mistake = _mistake(pattern, letters)
    if mistake is None:
        return None
    meant = pattern.replace("Y", "y").replace("D", "d")
    meant = meant if "M" in meant or "L" in meant else meant.replace("mm", "MM", 1)
    hint = f"; did you mean {meant!r}?" if _mistake(meant, letters) is None else ""
    return f"expected a pattern such as 'dd/MM/yyyy' (Spark's datetime patterns), found {pattern!r}: {mistake}{hint}"


def _mistake(pattern: str, letters: str) -> str | None:
    """Return what is wrong with a pattern; None where nothing is."""
    plain = _QUOTED.sub("", pattern)
    for character in plain:
        if (character.isalpha() and character not in letters) or character in "'{}#":
            return f"{character!r} stands for nothing that it could be here; a text stands between quotes, as in 'T'"
    has_month = "M" in plain or "L" in plain
    if "D" in plain and has_month:
        return "D is the day of the year, and d that of the month"
    if "d" in plain and "y" in plain and not has_month:
        return "it has a day and no month, which is M; m are minutes"
    return None
