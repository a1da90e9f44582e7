"""What a project's declarations compile to, and the sentences that wrong ones get."""

import pytest

from lambda_core.config.project import Project
from lambda_core.errors import ConfigError
from lambda_core.features.definition import compile_definition
from lambda_core.features.windows import ALL_MS, DAY_MS, HOUR_MS, MINUTE_MS

SHOP = {
    "project": "shop",
    "sources": {
        "orders": {
            "topic": "shop.orders",
            "columns": {
                "buyer": {"type": "string"},
                "seller": {"type": "integer"},
                "price": {"type": "decimal", "scale": 2},
                "paid": {"type": "boolean"},
                "weight": {"type": "float"},
            },
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
        }
    },
    "entities": {"buyer": {"keys": ["buyer"]}, "pair": {"keys": ["buyer", "seller"]}},
    "feature_sets": {
        "order": {"asked_by": "orders", "request_features": {"price": {"expression": "price"}}, "groups": ["by_pair"]}
    },
}

PINNED = "a782887af93ad345"
"""The id of a small definition: tables, topics and views under it have to stay readable."""
PINNED_VECTOR = "4825c7e05c4eea36"
"""The id of its vector: models that were trained on it have to stay good."""


def compiled(features, entity="pair", **changes):
    group = {"source": "orders", "entity": entity, "features": features}
    project = Project.model_validate({**SHOP, "feature_groups": {"by_pair": group}, **changes})
    return compile_definition(project)


def test_a_slot_is_kept_once_whatever_its_windows():
    definition = compiled(
        [
            {"aggregations": ["count"], "windows": ["1h"]},
            {"column": "price", "aggregations": ["mean", "max"], "windows": ["1h", "30d"]},
            {"column": "price", "aggregations": ["mean"], "windows": ["13h"]},
            {"column": "paid", "aggregations": ["sum"], "windows": ["2h"], "hop": "1 minute"},
        ]
    )
    group = definition.groups["by_pair"]
    assert [slot.name for slot in group.slots] == ["count", "price_mean", "price_max", "paid_sum"]
    assert group.plan == ("i+", "i+", "i+", "i>", "i+")
    assert group.width == 5
    assert group.hops_ms == (MINUTE_MS, 5 * MINUTE_MS, HOUR_MS, DAY_MS)
    assert group.longest_window_ms(5 * MINUTE_MS) == HOUR_MS
    assert group.key_columns == ("buyer", "seller")
    assert definition.groups_of("orders") == [group]
    assert definition.groups_of("others") == []


def test_answers_of_one_state_over_the_same_events_share_a_slot():
    definition = compiled(
        [
            {"column": "price", "aggregations": ["variance", "stddev", "latest"], "windows": ["1h"]},
            {"column": "price", "aggregations": ["histogram", "quantiles"], "bins": [0, 10], "quantiles": [0.5, 0.999]},
            {"name": "steep", "column": "price", "aggregations": ["shares"], "bins": [0, 10], "windows": ["7d"]},
            {"name": "paid", "where": "paid", "column": "price", "aggregations": ["latest"], "windows": ["1h"]},
            {"name": "new", "column": "price", "aggregations": ["latest"], "expiry": "10 minutes", "windows": ["1h"]},
            {"name": "paid", "where": "weight > 1", "condition": "paid", "aggregations": ["share", "count"]},
        ]
    )
    group = definition.groups["by_pair"]
    assert [(slot.name, slot.sees) for slot in group.slots] == [
        ("price_variance", "`price`"),
        ("price_latest", "`price`"),
        ("price_histogram", "`price`"),
        ("paid_price_latest", "case when (paid) then `price` end"),
        (
            "paid_share",
            "case when (weight > 1) then case when (paid) then 1 when not (paid) then 0 end end",
        ),
        ("paid_count", "case when (weight > 1) then 1 end"),
    ]
    assert [(feature.name.removeprefix("by_pair__"), feature.slot) for feature in group.features] == [
        ("price_variance_1h", 0),
        ("price_stddev_1h", 0),
        ("price_latest_1h", 1),
        ("price_histogram_all", 2),
        ("price_p50_all", 2),
        ("price_p99_9_all", 2),
        ("steep_price_share_under_7d", 2),
        ("steep_price_share_1_7d", 2),
        ("steep_price_share_over_7d", 2),
        ("paid_price_latest_1h", 3),
        ("new_price_latest_1h", 1),
        ("paid_share_all", 4),
        ("paid_count_all", 5),
    ]
    assert group.longest_window_ms(DAY_MS) == ALL_MS
    assert group.widths == {}


def test_a_definition_that_uses_nothing_new_keeps_its_id_and_so_does_a_vector():
    definition = compiled([{"column": "price", "aggregations": ["mean", "latest"], "windows": ["1h", "30d"]}])
    assert (definition.id, definition.feature_set_id("order")) == (PINNED, PINNED_VECTOR)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"aggregations": ["count"], "where": "paid"}, {"where": "not paid"}),
        ({"aggregations": ["share"], "condition": "paid"}, {"condition": "not paid"}),
        ({"column": "price", "aggregations": ["quantiles"], "bins": [0, 1], "quantiles": [0.5]}, {"bins": [0, 2]}),
        ({"column": "price", "aggregations": ["quantiles"], "bins": [0, 1], "quantiles": [0.5]}, {"quantiles": [0.4]}),
        ({"column": "buyer", "aggregations": ["shares"], "categories": ["a"]}, {"categories": ["b"]}),
        ({"column": "price", "aggregations": ["decayed_sum"], "half_life": "1h"}, {"half_life": "2h"}),
        ({"column": "price", "aggregations": ["last_n"], "last": 2}, {"last": 3}),
        ({"column": "price", "aggregations": ["distinct"]}, {"precision": 11}),
        ({"column": "price", "aggregations": ["latest"], "expiry": "1h"}, {"expiry": "2h"}),
        ({"column": "price", "aggregations": ["latest"]}, {"expiry": "2h"}),
    ],
)
def test_whatever_decides_a_state_or_an_answer_decides_the_id(before, after):
    block = {"name": "some", "windows": ["1h"], **before}
    assert compiled([block]).id == compiled([block]).id != compiled([{**block, **after}]).id


def test_what_parts_a_files_fields_decides_the_id_and_where_it_lies_does_not():
    def of(**files) -> str:
        orders = {**SHOP["sources"]["orders"], "files": {"path": "a.csv", **files}}
        return compile_definition(
            Project.model_validate({**SHOP, "sources": {"orders": orders}, "feature_sets": {}})
        ).id

    assert of() == of(path="b.csv") == of(separator=",") != of(separator=";")


def test_a_vector_is_its_request_features_then_its_groups_in_order_of_declaration():
    definition = compiled([{"column": "price", "aggregations": ["max", "mean"], "windows": ["30d", "1h"]}])
    assert definition.vector_names("order") == [
        "price",
        "by_pair__price_max_30d",
        "by_pair__price_max_1h",
        "by_pair__price_mean_30d",
        "by_pair__price_mean_1h",
    ]


def test_the_id_of_a_vector_follows_its_declaration_and_not_its_words():
    features = [{"aggregations": ["count"], "windows": ["1h"]}]
    plain = compiled(features).feature_set_id("order")
    sets = SHOP["feature_sets"]["order"]
    words = compiled(features, feature_sets={"order": {**sets, "description": "new", "owner": "new"}})
    other = compiled(features, feature_sets={"order": {**sets, "where": "paid"}})
    assert words.feature_set_id("order") == plain != other.feature_set_id("order")
    assert len(plain) == 16


@pytest.mark.parametrize(
    ("features", "entity", "sentence"),
    [
        (
            [{"column": "prize", "aggregations": ["sum"], "windows": ["1h"]}],
            "pair",
            r"feature_groups\.by_pair\.features\[0\]\.column: expected one of .*price.*; found 'prize'",
        ),
        (
            [{"column": "buyer", "aggregations": ["sum"], "windows": ["1h"]}],
            "pair",
            r"features\[0\]: expected a number for 'sum', found the string column 'buyer'; use count, first, .* or distinct",
        ),
        (
            [{"column": "at", "aggregations": ["max"], "windows": ["1h"]}],
            "pair",
            r"features\[0\]\.column: expected a number, a boolean or a string, found the timestamp 'at'",
        ),
        (
            [{"column": "weight", "aggregations": ["distinct"]}],
            "pair",
            r"features\[0\]: expected another type than float for 'distinct', found the float column 'weight'; use count",
        ),
        (
            [{"column": "buyer", "aggregations": ["histogram"], "bins": [0, 1]}],
            "pair",
            r"features\[0\]\.bins: expected a number, found the string column 'buyer'; use categories",
        ),
        (
            [{"column": "buyer", "aggregations": ["histogram"], "categories": ["a", 1]}],
            "pair",
            r"features\[0\]\.categories: expected values of the string column 'buyer', found 1",
        ),
        (
            [{"column": "weight", "aggregations": ["histogram"], "categories": [1]}],
            "pair",
            r"features\[0\]\.categories: expected values of the float column 'weight', found 1",
        ),
        (
            [{"aggregations": ["count"], "windows": ["1h"]}],
            "pear",
            r"feature_groups\.by_pair\.entity: expected one of buyer, pair; found 'pear'",
        ),
        (
            [
                {"aggregations": ["count"], "windows": ["1h"]},
                {"aggregations": ["count"], "windows": ["60 minutes"], "hop": "1h"},
            ],
            "pair",
            r"expected each feature once, found 'by_pair__count_1h' twice",
        ),
    ],
)
def test_a_wrong_declaration_is_told_where_what_is_expected_and_what_was_found(features, entity, sentence):
    with pytest.raises(ConfigError, match=sentence):
        compiled(features, entity)


@pytest.mark.parametrize("column", ["price", "weight", "at", "paid"])
def test_a_key_that_has_more_than_one_text_is_refused(column):
    with pytest.raises(ConfigError, match=f"expected a key of type string or integer, found '{column}'"):
        compiled([{"aggregations": ["count"], "windows": ["1h"]}], "odd", entities={"odd": {"keys": [column]}})


def test_a_group_on_a_source_that_is_not_declared_is_told_which_are():
    group = {"source": "order", "entity": "pair", "features": [{"aggregations": ["count"], "windows": ["1h"]}]}
    with pytest.raises(ConfigError, match=r"by_pair\.source: expected one of orders; found 'order'"):
        compile_definition(Project.model_validate({**SHOP, "feature_groups": {"by_pair": group}}))
