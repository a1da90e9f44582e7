"""Repairs in plain words: what they make of values, that they say which they changed, and what cannot be declared."""

from __future__ import annotations

import doctest
import json
from decimal import Decimal

import pytest
from pydantic import ValidationError

from lambda_core.cleaning import repairs
from lambda_core.config.project import Project
from lambda_core.config.sources import Column, Source
from lambda_core.features.definition import meaning
from tests.unit.lambda_core.cleaning.conftest import NOON, build_shop

REPAIRED = {
    "id": {"type": "string", "required": True},
    "happened": {"type": "integer"},
    "size": {"type": "integer", "map": {250: 25, -1: None}, "clip": [10, 30], "fill": 0, "min": 0},
    "colour": {"type": "string", "map": {"it's": "is", "?": None}, "fill": "grey"},
    "heat": {"type": "decimal", "scale": 1, "convert": {"from": "fahrenheit", "to": "celsius"}},
    "way": {"type": "integer", "convert": {"from": "miles", "to": "kilometres"}, "clip": [None, 1000]},
    "load": {"type": "float", "convert": {"from": "pounds", "to": "kilograms"}, "clip": [0.5, None]},
    "day": {"type": "string", "convert": {"from": "dd/MM/yyyy", "to": "yyyy-MM-dd"}},
    "gift": {"type": "boolean", "fill": False},
}
AS_IT_IS = {"size": "12", "colour": "red", "heat": None, "way": None, "load": None, "day": None, "gift": "true"}
TABLE = [
    ({}, {"size": 12, "colour": "red", "gift": True}, []),
    ({"size": "250"}, {"size": 25}, ["size"]),
    ({"size": "-1"}, {"size": 0}, ["size"]),
    ({"size": "5"}, {"size": 10}, ["size"]),
    ({"size": "31", "colour": "?"}, {"size": 30, "colour": "grey"}, ["size", "colour"]),
    ({"size": "30", "colour": "it's"}, {"size": 30, "colour": "is"}, ["colour"]),
    ({"colour": None, "gift": None}, {"colour": "grey", "gift": False}, ["colour", "gift"]),
    ({"heat": "212"}, {"heat": Decimal("100.0")}, ["heat"]),
    ({"heat": "-40"}, {"heat": Decimal("-40.0")}, []),
    ({"heat": "33"}, {"heat": Decimal("0.6")}, ["heat"]),
    ({"way": "100"}, {"way": 161}, ["way"]),
    ({"way": "999"}, {"way": 1000}, ["way"]),
    ({"load": "10"}, {"load": 4.5359237}, ["load"]),
    ({"load": "0.1"}, {"load": 0.5}, ["load"]),
    ({"day": "31/12/2023"}, {"day": "2023-12-31"}, ["day"]),
    ({"day": "31-12-2023"}, {"day": "31-12-2023"}, []),
]
"""What a record says, what becomes of it, and which columns were changed."""


@pytest.fixture(scope="module")
def rows(cleaned):
    said = [said for said, _, _ in TABLE] + [{"size": "12x"}, {"colour": "x", "size": None}]
    values = [json.dumps({"id": "a", "happened": NOON, **AS_IT_IS, **one}).encode() for one in said]
    return cleaned(build_shop(columns=REPAIRED), values)


def test_every_repair_gives_the_value_that_it_says_and_tells_that_it_changed_one(rows):
    for row, (said, becomes, changed) in zip(rows, TABLE, strict=False):
        found = {name: row[name] for name in becomes}
        assert found == {name: pytest.approx(value) if isinstance(value, float) else value for name, value in becomes.items()}, said  # fmt: skip
        assert row["_repaired"] == changed, said
        assert row["reasons"] == []


def test_the_tables_of_the_documentation_show_what_repairs_do(spark):
    shown = doctest.testmod(repairs, extraglobs={"spark": spark})

    assert (shown.failed, shown.attempted >= 10) == (0, True)


def test_what_cannot_be_read_is_refused_and_not_filled(rows):
    assert rows[-2]["reasons"] == ["size: expected an integer of 64 bits, found '12x'"]
    assert (rows[-1]["size"], rows[-1]["reasons"]) == (0, [])


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"type": "integer", "fill": "none"}, "values of type integer, found 'none'"),
        ({"type": "string", "fill": 0}, "values of type string, found 0"),
        ({"type": "integer", "fill": True}, "values of type integer, found True"),
        ({"type": "integer", "map": {"a": 1}}, "values of type integer, found 'a'"),
        ({"type": "string", "clip": [0, 1]}, "`clip` of a number, found it of type string"),
        ({"type": "integer", "clip": [2, 1]}, r"`clip: \[least, greatest\]`, found \[2.0, 1.0\]"),
        ({"type": "integer", "fill": 0, "repair": "1"}, "`repair` or plain words, found both: repair, fill"),
        ({"type": "float", "convert": {"from": "miles", "to": "celsius"}}, r"miles \(length\) and celsius \(temp"),
        ({"type": "float", "convert": {"from": "mile", "to": "feet"}}, "found 'mile'"),
        ({"type": "boolean", "map": {"yes": 1}}, "`map` of a text or a number"),
    ],
)
def test_a_repair_that_cannot_give_the_columns_type_is_refused_with_the_settings(declared: dict, message: str):
    with pytest.raises(ValidationError, match=message):
        Column.model_validate(declared)


def test_a_source_without_such_repairs_means_what_it_meant_before():
    plain, filled = (Source.model_validate(one) for one in (_source({}), _source({"fill": 0})))

    assert set(meaning(plain)["columns"]["size"]) == {"type", "field", "scale", "required", "min", "max", "repair"}
    assert meaning(filled) != meaning(plain)
    assert meaning(Source.model_validate({**_source({}), "condition": {"rows": 3}})) == meaning(plain)


def _source(repair: dict) -> dict:
    columns = {"id": {"type": "string"}, "size": {"type": "integer", **repair}}
    return {"kind": "reference", "topic": "t", "columns": columns, "unique_key": ["id"]}


def test_a_project_with_repairs_passes_the_check_of_its_expressions(spark):
    from lambda_core.cleaning import check_expressions

    project: Project = build_shop(columns=REPAIRED)
    check_expressions(spark, project)
