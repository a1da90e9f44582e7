"""Expressions that cannot work are refused before anything runs, with path, expected, found and nearest name."""

from __future__ import annotations

import logging
from pathlib import Path
from unittest.mock import Mock

import pytest
from pyspark.sql import types

from lambda_core.cleaning import check_expressions, clean, read_fields
from lambda_core.cleaning.conversions import spark_type
from lambda_core.config.loading import load_project
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError

CONF = Path(__file__).parents[4] / "conf"
RECORD = "value binary, `partition` int, `offset` bigint, append_time_ms bigint"
MOMENT = {"type": "timestamp", "expression": "timestamp_millis(happened)"}


def sentence(spark, project: Project) -> str:
    with pytest.raises(ConfigError) as refused:
        check_expressions(spark, project)
    return str(refused.value)


def cleaned(spark, project: Project, name: str):
    """What cleaning itself makes of no records at all."""
    source, references = project.sources[name], {}
    for lookup in source.lookups.values():
        columns = project.sources[lookup.source].all_columns
        fields = [types.StructField(column, spark_type(one)) for column, one in columns.items()]
        references[lookup.source] = spark.createDataFrame([], types.StructType(fields))
    return clean(project, name, read_fields(source, spark.createDataFrame([], RECORD)), references)


def test_a_sound_project_passes(spark, shop):
    check_expressions(spark, shop())


@pytest.mark.parametrize("shipped", ["flights", "movies"])
def test_a_shipped_project_passes_and_its_columns_have_the_types_that_were_looked_at(spark, shipped: str):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    project = load_project(CONF / shipped)

    check_expressions(spark, project)

    for name, source in project.sources.items():
        found = cleaned(spark, project, name).schema
        assert {column: found[column].dataType for column in source.all_columns} == {
            column: spark_type(declared) for column, declared in source.all_columns.items()
        }


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
        ("sum(count)", "expected Spark SQL"),
    ],
)
def test_what_is_not_of_the_record_alone_is_refused(spark, shop, expression: str, named: str):
    derive = {"moment": MOMENT, "total": {"type": "string", "expression": expression}}

    found = sentence(spark, shop(derive=derive))

    assert found.startswith("sources.orders.derive.total.expression: ")
    assert named in found


LOOKUP = {"kind": {"source": "items", "key": "item", "take": {"load": "weight"}}}


@pytest.mark.parametrize(
    "change",
    [
        {"derive": {"moment": MOMENT, "total": {"type": "decimal", "expression": "count * prise"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "base"}, "base": {"type": "integer", "expression": "1"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "count +"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "nosuch(count)"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "sum(count)"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "count + rand()"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "array(count)"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "boolean", "expression": "count"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "load"}}, "lookups": {}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "1", "repair": "totl"}}},
        {"derive": {"moment": MOMENT, "total": {"type": "integer", "expression": "1", "repair": "moment"}}},
        {"derive": {"moment": {"type": "timestamp", "expression": "item"}}},
        {"columns": {"id": {"type": "string"}, "happened": {"type": "integer", "repair": "moment"}}, "lookups": {}},
        {"columns": {"id": {"type": "string"}, "happened": {"type": "integer", "repair": "array(id)"}}, "lookups": {}},
        {"lookups": {"kind": {"source": "items", "key": "itm", "take": {"load": "weight"}}}},
        {"lookups": {"kind": {"source": "items", "key": "item", "take": {"load": "wieght"}}}},
        {"row_rules": [{"name": "r", "rule": "count + 1"}]},
        {"row_rules": [{"name": "r", "rule": "cuont > 1"}]},
        {"row_rules": [{"name": "r", "rule": "offset > 1"}]},
        {"row_rules": [{"name": "r", "rule": "sum(count) > 1"}]},
        {"event_time": "happened"},
    ],
    ids=str,
)  # fmt: skip
def test_cleaning_refuses_the_same_in_the_same_words(spark, shop, change: dict):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    project = shop(**{"lookups": LOOKUP, **change})

    found = sentence(spark, project)

    with pytest.raises(ConfigError) as refused:
        cleaned(spark, project, "orders")
    assert found.splitlines() == [str(refused.value)]


def test_what_a_lookup_takes_an_earlier_column_and_the_events_time_may_be_named_where_they_stand(spark, shop):
    derive = {
        "moment": MOMENT,
        "mass": {"type": "decimal", "scale": 3, "expression": "load * count", "repair": "nullif(mass, 0)"},
        "heavy": {"type": "boolean", "expression": "mass > 100"},
    }
    rules = [{"name": "light", "rule": "not heavy and load < 9 and event_time_ms > 0"}]
    project = shop(lookups=LOOKUP, derive=derive, row_rules=rules)

    check_expressions(spark, project)

    assert cleaned(spark, project, "orders").columns[-1] == "duplicate"


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


def asking(project: Project, **changed) -> Project:
    """The project with a feature set that asks, a label and a model; keywords replace what they say of an order."""
    said = {"where": "count > 1", "feature": {"expression": "price * 2"}, "label": "count > 3", "parted": "item"}
    said |= {"seen": "price > 1", "condition": "count > 1 or moment > timestamp '2020-01-01'"}
    said |= changed
    split = {"strategy": "by_time"}
    model = {"feature_set": "ask", "label": "sold", "partition_by": said["parted"], "split": split}
    block = {"name": "some", "where": said["seen"], "condition": said["condition"], "aggregations": ["count", "share"]}
    more = {
        "entities": {"item": {"keys": ["item"]}},
        "feature_groups": {"items": {"source": "orders", "entity": "item", "features": [block]}},
        "feature_sets": {
            "ask": {"asked_by": "orders", "where": said["where"], "request_features": {"double": said["feature"]}}
        },
        "labels": {"sold": {"source": "orders", "value": said["label"], "join": ["id"], "delay": "1d"}},
        "models": {"sales": {**model, "algorithm": {"strategy": "x"}, "baseline": {"strategy": "x"}}},
    }
    return Project.model_validate(project.model_dump(by_alias=True) | more)


@pytest.mark.parametrize("label", ["count > 3", "1", "cast(price as int)", "case when count > 3 then 1 end", "null"])
def test_what_asks_and_what_is_learnt_may_name_what_the_source_has(spark, shop, label: str):
    check_expressions(spark, asking(shop(), label=label))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"where": "cout > 1"}, "feature_sets.ask.where: expected one of count, happened, id, item, moment, price; found 'cout'; did you mean 'count'?"),
        ({"where": "count"}, "feature_sets.ask.where: expected a condition, found an expression of type bigint"),
        ({"where": "count > (select 1)"}, "feature_sets.ask.where: expected an expression over its own record alone, found select"),
        ({"where": "load > 1"}, "feature_sets.ask.where: expected one of"),
        ({"where": "sum(count) > 1"}, "feature_sets.ask.where: expected Spark SQL"),
        ({"feature": {"expression": "prce * 2"}}, "feature_sets.ask.request_features.double.expression: expected one of"),
        ({"feature": {"expression": "price *"}}, "feature_sets.ask.request_features.double.expression: expected Spark SQL"),
        ({"feature": {"expression": "array(price)"}}, "feature_sets.ask.request_features.double.expression: expected Spark SQL"),
        ({"feature": {"expression": "rand()"}}, "feature_sets.ask.request_features.double.expression: expected an expression over"),
        ({"label": "cuont > 3"}, "labels.sold.value: expected one of"),
        ({"label": "item"}, "labels.sold.value: expected 0, 1 or null, found an expression of type string; cast or compare it"),
        ({"label": "now() > moment"}, "labels.sold.value: expected an expression over its own record alone, found now"),
        ({"seen": "prce > 1"}, "feature_groups.items.features[0].where: expected one of"),
        ({"seen": "price"}, "feature_groups.items.features[0].where: expected a condition, found an expression of type decimal"),
        ({"condition": "price >"}, "feature_groups.items.features[0].condition: expected Spark SQL"),
        ({"condition": "rand() > 0.5"}, "feature_groups.items.features[0].condition: expected an expression over its own"),
        ({"parted": "itm"}, "models.sales.partition_by: expected one of"),
    ],
    ids=str,
)  # fmt: skip
def test_a_mistake_outside_the_sources_is_told_by_its_path(spark, shop, changed: dict, expected: str):
    assert sentence(spark, asking(shop(lookups=LOOKUP), **changed)).startswith(expected)
    assert len(sentence(spark, asking(shop(lookups=LOOKUP), **changed)).splitlines()) == 1


def test_nothing_is_run_and_a_mistake_is_told_beside_every_other_of_its_source(spark, shop):
    derive = {
        "moment": MOMENT,
        "one": {"type": "integer", "expression": "cuont"},
        "two": {"type": "integer", "expression": "one + prise"},
        "three": {"type": "integer", "expression": "one + count"},
    }
    rules = [{"name": "r", "rule": "two"}]
    project = asking(shop(derive=derive, row_rules=rules), where="tree > 1", label="item")
    spark.sparkContext.setJobGroup("looked at", "")

    found = sentence(spark, project).splitlines()

    assert [line.split(": ")[0] for line in found] == [
        "sources.orders.derive.one.expression",
        "sources.orders.derive.two.expression",
        "sources.orders.row_rules[0].rule",
        "feature_sets.ask.where",
        "labels.sold.value",
    ]
    assert spark.sparkContext.statusTracker().getJobIdsForGroup("looked at") == []


def test_a_refusal_is_told_once_and_not_by_spark_before_us(spark, shop):
    told = Mock(level=logging.NOTSET)
    logger = logging.getLogger("SQLQueryContextLogger")
    logger.addHandler(told)

    sentence(spark, shop(row_rules=[{"name": "r", "rule": "cuont > 1"}]))

    logger.removeHandler(told)
    told.handle.assert_not_called()
