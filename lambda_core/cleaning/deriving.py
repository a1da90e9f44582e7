"""Columns worked out from the others of the same record, each in its declared type or with a reason."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from lambda_core.cleaning import reasons
from lambda_core.cleaning.conversions import EXPECTED, from_value, spark_type
from lambda_core.cleaning.expressions import analyse
from lambda_core.cleaning.repairs import repair_sql
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from lambda_core.cleaning.reasons import Reason
    from lambda_core.config.sources import Derived, Source


def derive(source: Source, frame: DataFrame, path: str, found: list[Reason]) -> DataFrame:
    """Return the frame with the derived columns, in order of declaration; add their reasons to `found`.

    What a column was before its repair is kept as `_read_<name>`.
    """
    for name, derived in source.derive.items():
        where = f"{path}.derive.{name}"
        frame = _work_out(frame, name, derived, f"{where}.expression", found)
        repair = repair_sql(name, derived)
        if repair:
            given = analyse(frame, repair, f"{where}.repair")
            value = from_value(F.expr(repair), given, derived)
            repaired = possible(value, derived.type, given, f"{where}.repair")
            frame = frame.withColumns({f"_read_{name}": F.col(name), name: repaired})
        if derived.required:
            found.append(reasons.missing(name, F.col(name).isNull()))
        if derived.min is not None or derived.max is not None:
            found.append(reasons.out_of_bounds(name, derived))
    return frame


def _work_out(frame: DataFrame, name: str, derived: Derived, where: str, found: list[Reason]) -> DataFrame:
    given = analyse(frame, derived.expression, where)
    if _fits(given, derived):
        return frame.withColumn(name, F.expr(derived.expression).cast(spark_type(derived)))
    frame = frame.withColumn(f"_given_{name}", F.expr(derived.expression))
    value = from_value(F.col(f"_given_{name}"), given, derived)
    frame = frame.withColumn(name, possible(value, derived.type, given, where))
    found.append(reasons.unreadable(name, derived, F.col(f"_given_{name}"), F.col(name)))
    return frame


def _fits(given: T.DataType, derived: Derived) -> bool:
    """Tell whether every value of the type found is a value of the declared one."""
    return isinstance(given, T.NullType) or {
        "integer": isinstance(given, T.IntegralType),
        "string": isinstance(given, T.StringType),
        "boolean": isinstance(given, T.BooleanType),
        "timestamp": isinstance(given, T.TimestampType),
    }.get(derived.type, False)


def possible(value: Column | None, declared: str, given: T.DataType, where: str) -> Column:
    """Return the value, or refuse an expression whose type could never give the declared one.

    Raises:
        ConfigError: naming the key path, the declared type and the type found.
    """
    if value is None:
        raise ConfigError(impossible(declared, given, where))
    return value


def impossible(declared: str, given: T.DataType, where: str) -> str:
    """Return the sentence about an expression whose type could never give the declared one."""
    return f"{where}: expected {EXPECTED[declared]}, found an expression of type {given.simpleString()}"
