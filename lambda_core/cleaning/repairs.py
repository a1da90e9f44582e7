"""A column's repair as one Spark SQL expression: the declared one, or what its plain words stand for. Pure text.

The words, one after the other in the order in which they work:

    >>> from lambda_core.config.sources import Column
    >>> sizes = spark.sql("select * from values (null), (5), (250), (40) as t(size)")
    >>> def repaired(**words):
    ...     sql = repair_sql("size", Column(type="integer", **words))
    ...     return [row[0] if row[0] is None else int(row[0]) for row in sizes.selectExpr(sql).collect()]
    >>> repaired(map={250: 25})
    [None, 5, 25, 40]
    >>> repaired(map={250: 25}, convert={"from": "centimetres", "to": "millimetres"})
    [None, 50, 250, 400]
    >>> repaired(map={250: 25}, clip=(10, 30))
    [None, 10, 25, 30]
    >>> repaired(map={250: 25}, clip=(10, 30), fill=0)
    [0, 10, 25, 30]

A text's date or time is converted by patterns; what is not of the first one stays as it is:

    >>> days = spark.sql("select * from values ('31/12/2023'), ('2023') as t(day)")
    >>> written = Column(type="string", convert={"from": "dd/MM/yyyy", "to": "yyyy-MM-dd"})
    >>> [day for (day,) in days.selectExpr(repair_sql("day", written)).collect()]
    ['2023-12-31', '2023']

What cannot be read as the column's type is not filled: it goes to quarantine, as without a repair.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING

from lambda_core.config.repairs import Convert, conversion

if TYPE_CHECKING:
    from lambda_core.config.sources import Column


def repair_sql(name: str, declared: Column) -> str | None:
    """Return the expression of the value to use instead of the one read; None where the column declares no repair.

    Example:
        >>> from lambda_core.config.sources import Column
        >>> repair_sql("size", Column(type="integer", clip=(0, None), fill=1))
        'coalesce(case when `size` < 0BD then 0BD else `size` end, 1BD)'
        >>> repair_sql("colour", Column(type="string", map={"gray": "grey", "?": None}))
        "case when `colour` = 'gray' then 'grey' when `colour` = '?' then null else `colour` end"
        >>> repair_sql("heat", Column(type="decimal", scale=1, convert={"from": "fahrenheit", "to": "celsius"}))
        '((`heat` * 5BD + -160BD) / 9BD)'
    """
    if declared.repair is not None:
        return declared.repair
    value = f"`{name}`"
    if declared.map:
        cases = " ".join(
            f"when {value} = {_literal(old, declared)} then {_literal(new, declared)}"
            for old, new in declared.map.items()
        )
        value = f"case {cases} else {value} end"
    if declared.convert:
        value = _converted(value, declared.convert, declared)
    if declared.clip:
        value = _clipped(value, declared)
    if declared.fill is not None:
        value = f"coalesce({value}, {_literal(declared.fill, declared)})"
    return value if declared.repairs else None


def _converted(value: str, convert: Convert, declared: Column) -> str:
    if declared.type == "string":
        old, new = _text(convert.source), _text(convert.target)
        return f"coalesce(date_format(try_to_timestamp({value}, {old}), {new}), {value})"
    factor, offset = conversion(convert.source, convert.target)
    common = math.lcm(factor.denominator, offset.denominator)
    above, apart = factor * common, offset * common
    if declared.type == "float":
        return f"(({value} * {float(above)!r}D + {float(apart)!r}D) / {float(common)!r}D)"
    exact = f"(({value} * {int(above)}BD + {int(apart)}BD) / {common}BD)"
    return f"round({exact})" if declared.type == "integer" else exact


def _clipped(value: str, declared: Column) -> str:
    low, high = declared.clip or (None, None)
    below = f" when {value} < {_literal(low, declared)} then {_literal(low, declared)}" if low is not None else ""
    above = f" when {value} > {_literal(high, declared)} then {_literal(high, declared)}" if high is not None else ""
    return f"case{below}{above} else {value} end"


def _literal(value: str | float | None, declared: Column) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        return _text(value)
    plain = f"{Decimal(repr(value)).normalize():f}"
    return f"{plain}D" if declared.type == "float" else f"{plain}BD"


def _text(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
