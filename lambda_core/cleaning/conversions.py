"""How the text of a record becomes a typed value: the same for CSV and JSON, since both arrive as text.

A text is readable or it is not; nothing is guessed, trimmed or cut off:

    integer  12, -7, +3, and 12.0 (other programs write whole numbers so where a column has gaps); 64 bits;
             never 12.5, 1e3, 12x or " 12"
    decimal  12, -7.25, .5, 1e3; at most 18 digits; digits beyond the scale are rounded half up, away from zero
    float    as decimal, at any length, up to 1e140 either way (no NaN, no infinity); -0.0 becomes 0.0
    boolean  true or false, in any case
    string   as it is
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

if TYPE_CHECKING:
    from pyspark.sql import Column

    from lambda_core.config.sources import Column as Declared

_INTEGER = r"^[+-]?[0-9]+([.]0*)?$"
_NUMBER = r"^[+-]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][+-]?[0-9]{1,3})?$"

GREATEST_FLOAT = 1e140
"""Squares of it, as often as there are events, still add up to a double, whatever the order: no state of accepted floats
overflows in one rendering and not in another."""

_MOMENTS = (T.TimestampType, T.TimestampNTZType, T.DateType)

EXPECTED = {
    "integer": "an integer of 64 bits",
    "decimal": "a decimal number of at most 18 digits",
    "float": "a number of at most 1e140 either way",
    "boolean": "true or false",
    "string": "a text",
    "timestamp": "a time",
}
"""What a value of each type is called in a reason."""


def spark_type(declared: Declared) -> T.DataType:
    """Return the Spark type that a column's values are kept in."""
    if declared.type == "decimal":
        return T.DecimalType(18, declared.scale)
    return {
        "integer": T.LongType(),
        "float": T.DoubleType(),
        "boolean": T.BooleanType(),
        "string": T.StringType(),
        "timestamp": T.TimestampType(),
    }[declared.type]


def from_text(text: Column, declared: Declared) -> Column:
    """Return the value that the text stands for; null where it cannot be read as the declared type."""
    if declared.type == "integer":
        # Spark also reads " 12", and 12 from "12.5". Most texts are a number's own, which costs less to see than a pattern.
        number = text.cast("bigint")
        return F.when((number.cast("string") == text) | text.rlike(_INTEGER), number)
    if declared.type == "decimal":
        return F.when(text.rlike(_NUMBER), text.try_cast(spark_type(declared)))
    if declared.type == "float":
        return finite(F.when(text.rlike(_NUMBER), text.try_cast("double")))
    if declared.type == "boolean":
        word = F.lower(text)
        return F.when(word == "true", F.lit(True)).when(word == "false", F.lit(False))  # noqa: FBT003
    return text


def can_become(found: T.DataType, declared: Declared) -> bool:
    """Tell whether a value of the type found could ever be one of the declared type."""
    possible: tuple[type[T.DataType], ...] = {
        "timestamp": _MOMENTS,
        "string": (T.AtomicType,),
        "boolean": (T.BooleanType, T.StringType),
    }.get(declared.type, (T.NumericType, T.BooleanType, T.StringType))
    return isinstance(found, (T.NullType, *possible))


def from_value(value: Column, found: T.DataType, declared: Declared) -> Column | None:
    """Return an expression's value in the declared type, null where it does not fit; None when no value ever could."""
    target = spark_type(declared)
    if not can_become(found, declared):
        return None
    if isinstance(found, T.NullType) or isinstance(target, T.TimestampType):
        return value.cast(target)
    if isinstance(found, T.StringType):
        return from_text(value, declared)
    if isinstance(target, T.StringType):
        return value.cast(target)
    return value if isinstance(target, T.BooleanType) else _number(value, found, target)


def _number(value: Column, found: T.DataType, target: T.DataType) -> Column:
    if isinstance(found, T.BooleanType):
        value, found = value.cast("int"), T.IntegerType()
    if isinstance(target, T.DoubleType):
        return finite(value.cast(target))
    if isinstance(target, T.DecimalType) or isinstance(found, T.IntegralType):
        return value.try_cast(target)
    return F.when(value == F.floor(value), value.try_cast(target))


def finite(value: Column) -> Column:
    """Return the double with -0.0 as 0.0, and null for NaN and what is greater than any float may be."""
    return F.when(F.abs(value) <= F.lit(GREATEST_FLOAT), value + F.lit(0.0))
