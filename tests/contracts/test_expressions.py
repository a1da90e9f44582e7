"""Serving works request features out as Spark does: the same random rows through both, for every piece that is allowed."""

from __future__ import annotations

import random
import struct
from decimal import Decimal
from pathlib import Path

import pytest

from lambda_core.config.loading import load_project
from lambda_core.config.project import Column, FeatureSet, Source
from lambda_core.errors import ConfigError, SchemaError
from lambda_core.features.expressions import RequestExpressions, to_duckdb, typed
from lambda_core.features.requests_sql import request_feature_sql

COLUMNS = {
    "i": {"type": "integer"},
    "j": {"type": "integer"},
    "d": {"type": "decimal", "scale": 2},
    "x": {"type": "float"},
    "y": {"type": "float"},
    "s": {"type": "string"},
    "b": {"type": "boolean"},
}
NUMBERS = """
i + j; i - j; i * 3; -i; i / j; i % j; i div j; (i + 1) * (j - 1); i * 60 + j
x + y; x - y; x * y; x / y; x % y; x * 1.5; x / 3; i / 4.0; -x; i * x; i + x
d; d + 1; d - i; d * 2; d / 2; d * x; cast(d as double); cast(d as bigint); d % 3
abs(i); abs(x); abs(d); least(i, j); greatest(i, j, 0); least(x, y); greatest(x, i)
coalesce(i, 0); coalesce(x, i); coalesce(d, 1.5); nullif(i, 0); nullif(x, y)
round(x); round(x, 1); round(x, 2); round(d, 1); round(i, 0); floor(x); ceil(x); floor(d); ceil(d); floor(i / 100)
case when i > j then 1 when i is null then 2 else 0 end; case when b then x end; if(i > 0, x, y); case i when 1 then 5 end
cast(x as bigint); cast(i as double); cast(b as bigint); cast(i % 10 as int)
case when i between 0 and 5 then 1 else 0 end; case when i in (1, 2, 3) then 1 else 0 end
case when not b then 1 else 0 end; case when b and i > 0 or j < 0 then 1 else 0 end; case when i <=> j then 1 else 0 end
case when i = j then 1 else 0 end; case when i <> j then 1 else 0 end; case when i != 3 then 1 else 0 end
case when x >= y then 1 else 0 end; case when x <= 0 then 1 else 0 end; case when b = true then 1 else 0 end
case when s is not null then 1 else 0 end; case when s = 'ab' then 1 else 0 end; case when s like 'a%' then 1 else 0 end
length(s); length(trim(s)); case when upper(s) = 'AB' then 1 else 0 end; case when s in ('ab', '') then 1 end; 7; null
"""
TEXTS = """
s; upper(s); lower(s); trim(s); substring(s, 1, 2); substring(s, 2, 1); substr(s, 0, 2); substring(s, -2, 2)
concat(s, 'x'); s || '-' || s; coalesce(s, 'none'); case when b then s else 'no' end; concat(s, cast(i as string))
"""


def expressions(table: str) -> list[str]:
    return [one.strip() for line in table.strip().splitlines() for one in line.split(";")]


def draw_row(draw: random.Random) -> dict[str, object]:
    number = [None, 0, 1, -1, 2, 3, 10, 100, -7, 59, 2400, draw.randrange(-(10**6), 10**6)]
    real = [None, 0.0, 0.5, -0.5, 1.5, 2.675, 1.005, 0.1, 1e-7, 2.5, -2.5, 1e8, draw.uniform(-1e3, 1e3)]
    text = [None, "", "a", "ab", "Ab ", " ab", "abc", "été", "a%", "Zoë x"]
    return {
        "i": draw.choice(number),
        "j": draw.choice(number),
        "d": draw.choice(
            [None, Decimal("0.00"), Decimal("1.25"), Decimal("-3.50"), Decimal("12345.67"), Decimal("0.05")]
        ),
        "x": draw.choice(real),
        "y": draw.choice(real),
        "s": draw.choice(text),
        "b": draw.choice([None, True, False]),
    }


def declared(columns: dict[str, dict], features: dict[str, dict]) -> tuple[FeatureSet, Source]:
    source = Source.model_validate({"topic": "t", "kind": "reference", "unique_key": ["i"], "columns": columns})
    return FeatureSet.model_validate({"asked_by": "src", "request_features": features}), source


def in_spark(spark, features: FeatureSet, source: Source, rows: list[dict]) -> list[tuple]:
    from pyspark.sql import types

    from lambda_core.cleaning.conversions import spark_type

    spark.conf.set("spark.sql.ansi.enabled", "false")
    schema = types.StructType([types.StructField(name, spark_type(one)) for name, one in source.columns.items()])
    frame = spark.createDataFrame([tuple(row[name] for name in source.columns) for row in rows], schema).coalesce(1)
    made = [f"{request_feature_sql(one)} as `{name}`" for name, one in features.request_features.items()]
    return [tuple(row) for row in frame.selectExpr(*made).collect()]


def bits(value: object) -> object:
    return struct.pack(">d", value) if isinstance(value, float) else value


@pytest.mark.parametrize(("table", "kind"), [(NUMBERS, "float"), (NUMBERS, "integer"), (TEXTS, "string")])
def test_every_allowed_expression_gives_what_spark_gives(spark, table, kind):
    named = {f"f{place}": {"expression": one, "type": kind} for place, one in enumerate(expressions(table))}
    features, source = declared(COLUMNS, named)
    draw = random.Random(11)
    rows = [draw_row(draw) for _ in range(80)]
    ours = RequestExpressions(features, source)

    expected = in_spark(spark, features, source, rows)

    differing = {}
    for row, values in zip(rows, expected, strict=True):
        for (name, found), value in zip(ours.evaluate(row).items(), values, strict=True):
            if bits(found) != bits(value):
                differing.setdefault(named[name]["expression"], (row, {"spark": value, "duckdb": found}))
    assert differing == {}


@pytest.mark.parametrize("shipped", ["flights", "movies"])
def test_a_shipped_project_works_its_request_features_out_as_spark_does(spark, shipped: str):
    project = load_project(Path(__file__).resolve().parents[2] / "conf" / shipped)
    draw = random.Random(12)
    for features in (one for one in project.feature_sets.values() if one.request_features):
        source = project.sources[features.asked_by]
        columns = {name: one for name, one in source.all_columns.items() if one.type != "timestamp"}
        typed_only = Source.model_construct(columns=columns, derive={}, lookups={})
        rows = [{name: draw_value(draw, one) for name, one in columns.items()} for _ in range(100)]

        expected = in_spark(spark, features, typed_only, rows)

        assert [tuple(RequestExpressions(features, source).evaluate(row).values()) for row in rows] == expected


def draw_value(draw: random.Random, column: Column) -> object:
    if draw.random() < 0.2:
        return None
    choices = {
        "integer": draw.randrange(-10, 2500),
        "float": draw.uniform(-100, 100),
        "decimal": Decimal(draw.randrange(-9999, 9999)).scaleb(-column.scale),
        "string": draw.choice(["", "AA", "N14228"]),
        "boolean": draw.random() < 0.5,
    }
    return choices[column.type]


@pytest.mark.parametrize("expression", ["rand()", "to_date(s)", "(select 1)", "i +", "initcap(s)", "sum(i)"])
def test_what_was_never_compared_with_spark_is_refused(expression):
    with pytest.raises(ConfigError, match="request feature"):
        to_duckdb(expression, {})


@pytest.mark.parametrize(
    ("column", "value", "kept"),
    [
        ({"type": "integer"}, 3.0, 3),
        ({"type": "decimal", "scale": 1}, 0.25, Decimal("0.3")),
        ({"type": "decimal", "scale": 1}, -0.25, Decimal("-0.3")),
        ({"type": "float"}, 2, 2.0),
        ({"type": "string"}, "x", "x"),
        ({"type": "boolean"}, None, None),
    ],
)
def test_a_value_is_kept_as_its_column_keeps_it(column, value, kept):
    found = typed("c", Column.model_validate(column), value)

    assert (found, type(found)) == (kept, type(kept))


@pytest.mark.parametrize(
    ("kind", "value"), [("integer", 1.5), ("integer", True), ("integer", 2**63), ("float", "1"), ("float", float("nan")), ("string", 1), ("boolean", 1)]
)  # fmt: skip
def test_a_value_of_another_type_is_named(kind, value):
    with pytest.raises(SchemaError, match=f"event.c: expected {kind}, found"):
        typed("c", Column(type=kind), value)
