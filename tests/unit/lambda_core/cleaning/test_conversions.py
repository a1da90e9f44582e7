"""What a text may stand for, type by type; the same texts come from CSV and from JSON."""

from __future__ import annotations

from decimal import Decimal

import pytest
from pyspark.sql import functions as F  # noqa: N812
from pyspark.sql import types as T  # noqa: N812

from lambda_core.cleaning.conversions import from_text, from_value
from lambda_core.config.sources import Column, Derived

TEXTS = {
    "integer": {
        "12": 12,
        "-7": -7,
        "+3": 3,
        "007": 7,
        "12.0": 12,
        "12.": 12,
        "12.5": None,
        "1e3": None,
        "12x": None,
        " 12": None,
        "12 ": None,
        "": None,
        "0x1F": None,
        "1_000": None,
        "1,000": None,
        "٣": None,
        "9223372036854775807": 2**63 - 1,
        "9223372036854775808": None,
        "-9223372036854775808": -(2**63),
        "true": None,
        "NaN": None,
    },
    "decimal": {
        "12": Decimal("12.00"),
        "-7.25": Decimal("-7.25"),
        ".5": Decimal("0.50"),
        "5.": Decimal("5.00"),
        "1e3": Decimal("1000.00"),
        "2.675": Decimal("2.68"),
        "2.665": Decimal("2.67"),
        "-2.675": Decimal("-2.68"),
        "0.0049999999999999999999": Decimal("0.00"),
        "-0.0": Decimal("0.00"),
        "9999999999999999.99": Decimal("9999999999999999.99"),
        "99999999999999999.99": None,
        "1e400": None,
        "1e99999": None,
        "NaN": None,
        "Infinity": None,
        "1.0d": None,
        "12 %": None,
    },
    "float": {
        "12": 12.0,
        "-7.25": -7.25,
        "1e-3": 0.001,
        "0.1": 0.1,
        "-0.0": 0.0,
        "1e400": None,
        "NaN": None,
        "-Infinity": None,
        "inf": None,
        "1.0f": None,
        " 1": None,
    },
    "boolean": {"true": True, "False": False, "TRUE": True, "1": None, "yes": None, "t": None, " true": None},
    "string": {"12": "12", "": "", " a ": " a ", "ü": "ü"},
}


@pytest.mark.parametrize("kind", TEXTS)
def test_a_text_is_read_as_the_table_says_and_nothing_is_guessed(spark, kind: str):
    declared = Column(type=kind, scale=2 if kind == "decimal" else 0)
    frame = spark.createDataFrame([(text,) for text in TEXTS[kind]], "text string")

    rows = frame.select("text", from_text(F.col("text"), declared).alias("value")).collect()

    assert {row["text"]: row["value"] for row in rows} == TEXTS[kind]


def test_a_negative_zero_becomes_zero_to_the_last_bit(spark):
    frame = spark.createDataFrame([("-0.0",)], "text string")

    row = frame.select(F.hex(F.unhex(F.hex(from_text(F.col("text"), Column(type="float")).cast("string")))).alias("x"))

    assert bytes.fromhex(row.collect()[0]["x"]) == b"0.0"


VALUES = [
    ("3.0D", "integer", 3),
    ("3.5D", "integer", None),
    ("cast('NaN' as double)", "integer", None),
    ("1e300D", "integer", None),
    ("7S", "integer", 7),
    ("true", "integer", 1),
    ("'12x'", "integer", None),
    ("2.675BD", "decimal", Decimal("2.68")),
    ("cast('NaN' as double)", "float", None),
    ("cast('-Infinity' as double)", "float", None),
    ("1.5BD", "float", 1.5),
    ("-1e140D", "float", -1e140),
    ("1.0000000000000002e140D", "float", None),
    ("12", "string", "12"),
    ("null", "integer", None),
    ("null", "timestamp", None),
]


@pytest.mark.parametrize(("expression", "kind", "expected"), VALUES)
def test_an_expressions_value_fits_its_declared_type_or_is_none(spark, expression: str, kind: str, expected: object):
    frame = spark.range(1).selectExpr(f"{expression} as given")
    declared = Derived(type=kind, scale=2 if kind == "decimal" else 0, expression=expression)

    value = from_value(F.col("given"), frame.schema["given"].dataType, declared)

    assert value is not None
    assert frame.select(value.alias("value")).collect()[0]["value"] == expected


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (T.StringType(), "timestamp"),
        (T.LongType(), "timestamp"),
        (T.LongType(), "boolean"),
        (T.ArrayType(T.LongType()), "string"),
        (T.TimestampType(), "integer"),
    ],
)
def test_an_expression_whose_type_never_fits_is_told_apart(spark, found: T.DataType, kind: str):
    assert from_value(F.lit(None), found, Derived(type=kind, expression="x")) is None
