"""What a project's declarations compile to, and the sentences that wrong ones get."""

import pytest

from lambda_core.config.project import Project
from lambda_core.errors import ConfigError
from lambda_core.features.definition import compile_definition
from lambda_core.features.windows import DAY_MS, HOUR_MS, MINUTE_MS

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
            r"features\[0\]: expected a number for 'sum', found the string column 'buyer'; use count or latest",
        ),
        (
            [{"column": "at", "aggregations": ["max"], "windows": ["1h"]}],
            "pair",
            r"features\[0\]\.column: expected a number, a boolean or a string, found the timestamp 'at'",
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
