"""Expressions that cannot work are refused before anything runs, with path, expected, found and nearest name."""

from __future__ import annotations

import pytest

from lambda_core.cleaning import check_expressions
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError

pytestmark = pytest.mark.spark

MOMENT = {"type": "timestamp", "expression": "timestamp_millis(happened)"}


def sentence(spark, project: Project) -> str:
    with pytest.raises(ConfigError) as refused:
        check_expressions(spark, project)
    return str(refused.value)


def test_a_sound_project_passes(spark, shop):
    check_expressions(spark, shop())


def test_an_unknown_column_names_path_expected_found_and_nearest(spark, shop):
    project = shop(derive={"moment": MOMENT, "total": {"type": "decimal", "expression": "count * prise"}})

    found = sentence(spark, project)

    assert found.startswith(
        "sources.orders.derive.total.expression: expected one of count, happened, id, item, moment, price"
    )
    assert "found 'prise'; did you mean 'price'?" in found


def test_a_derived_column_may_not_use_one_after_it(spark, shop):
    derive = {"total": {"type": "integer", "expression": "base + 1"}, "base": {"type": "integer", "expression": "1"}}

    assert "sources.orders.derive.total.expression" in sentence(spark, shop(derive={**derive, "moment": MOMENT}))


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        ("count +", "expected Spark SQL"),
        ("nosuch(count)", "expected Spark SQL"),
        ("count + rand()", "found rand"),
        ("count + unix_timestamp()", "unix_timestamp()"),
        ("datediff(now(), moment)", "found now"),
        ("current_date", "found current_date"),
        ("sum(count) over (partition by id)", "found over"),
        ("(select max(id) from range(3))", "found select"),
        ("explode(array(1, 2))", "found explode"),
    ],
)
def test_what_is_not_of_the_record_alone_is_refused(spark, shop, expression: str, named: str):
    derive = {"moment": MOMENT, "total": {"type": "string", "expression": expression}}

    found = sentence(spark, shop(derive=derive))

    assert found.startswith("sources.orders.derive.total.expression: ")
    assert named in found


def test_the_same_words_in_a_text_are_no_functions(spark, shop):
    derive = {"moment": MOMENT, "word": {"type": "string", "expression": "concat('now ', \"rand()\", item)"}}

    check_expressions(spark, shop(derive=derive))


@pytest.mark.parametrize(
    ("change", "path"),
    [
        ({"row_rules": [{"name": "r", "rule": "count + 1"}]}, "sources.orders.row_rules[0].rule: expected a condition"),
        (
            {"lookups": {"kind": {"source": "items", "key": "itm", "take": {"w": "weight"}}}},
            "sources.orders.lookups.kind.key: expected one of count, happened, id, item, price; found 'itm'; did you mean 'item'?",
        ),
        (
            {"lookups": {"kind": {"source": "items", "key": "item", "take": {"w": "wieght"}}}},
            "sources.orders.lookups.kind.take.w: expected one of label, sku, weight; found 'wieght'; did you mean 'weight'?",
        ),
        (
            {"derive": {"moment": {"type": "timestamp", "expression": "item"}}},
            "sources.orders.derive.moment.expression: expected a time, found an expression of type string",
        ),
        (
            {"files": {"path": "orders.csv"}},
            "sources.orders.log_from: expected the event time from which the topic counts",
        ),
    ],
)
def test_a_wrong_declaration_is_named_by_its_path(spark, shop, change: dict, path: str):
    assert sentence(spark, shop(**change)).startswith(path)


def test_all_mistakes_are_told_at_once_in_and_outside_the_sources(spark, shop):
    project = shop()
    more = {
        "feature_sets": {
            "ask": {"asked_by": "orders", "where": "cout > 1", "request_features": {"x": {"expression": "pric"}}}
        },
        "labels": {"bad": {"source": "orders", "value": "prce > 1", "join": ["id"], "delay": "1d"}},
    }

    found = sentence(spark, Project.model_validate(project.model_dump(by_alias=True) | more)).splitlines()

    assert [line.split(": ")[0] for line in found] == [
        "feature_sets.ask.where",
        "feature_sets.ask.request_features.x.expression",
        "labels.bad.value",
    ]
