"""The units that a repair can convert between; exact, so that batch and stream cannot differ by how they round."""

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
        return None
    for unit in (convert.source, convert.target):
        if unit not in UNITS:
            return f"expected a unit among {', '.join(sorted(UNITS))}; found {unit!r}"
    kinds = UNITS[convert.source][0], UNITS[convert.target][0]
    if kinds[0] != kinds[1]:
        return f"expected two units of one kind, found {convert.source} ({kinds[0]}) and {convert.target} ({kinds[1]})"
    return None
