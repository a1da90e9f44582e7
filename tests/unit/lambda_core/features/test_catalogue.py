"""A feature's card says what its declarations say: meaning, range, owner, and who uses it."""

from __future__ import annotations

import pytest

from lambda_core.config.project import Project
from lambda_core.config.sources import Column
from lambda_core.errors import ConfigError
from lambda_core.features.catalogue import card_of, catalogue, range_of
from lambda_core.features.definition import compile_definition

PRICE = {"type": "decimal", "scale": 2, "min": 0, "clip": [None, 900], "unit": "euros", "description": "What was paid."}


def definition(**more):
    """Orders from a topic and visits from files; one group of each, one set and one model that take the first."""
    moment = {"derive": {"at": {"type": "timestamp", "expression": "timestamp_millis(0)"}}, "event_time": "at"}
    columns = {"customer": {"type": "string"}, "shop": {"type": "integer"}, "price": PRICE, "back": {"type": "boolean"}}
    orders = {"owner": "sales", "topic": "orders", "columns": columns, **moment}
    visits = {"files": {"path": "x"}, "columns": {"customer": {"type": "string"}}, **moment}
    blocks = [
        {"column": "price", "aggregations": ["mean", "sum", "stddev"], "windows": ["1h"]},
        {"column": "price", "aggregations": ["latest"], "expiry": "2h", "unit": "EUR", "description": "The last one."},
        {"name": "returned", "where": "price > 1", "condition": "back", "aggregations": ["share"], "windows": ["7d"]},
    ]
    choice = {"strategy": "by_time"}
    settings = {
        "project": "shop",
        "owner": "everybody",
        "sources": {"orders": orders, "visits": visits},
        "entities": {"of": {"keys": ["customer", "shop"]}, "customer": {"keys": ["customer"]}},
        "feature_groups": {
            "spent": {"source": "orders", "entity": "of", "description": "Money.", "features": blocks},
            "seen": {"source": "visits", "entity": "customer", "features": [{"aggregations": ["count"]}]},
        },
        "feature_sets": {
            "order": {
                "asked_by": "orders",
                "groups": ["spent"],
                "request_features": {"price": {"expression": "price"}, "double": {"expression": "price * 2"}},
            }
        },
        "labels": {"back": {"source": "orders", "value": "1", "join": ["customer"], "delay": "1d"}},
        "models": {
            "refund": {
                **dict.fromkeys(("split", "algorithm", "baseline"), choice),
                "feature_set": "order",
                "label": "back",
                "partition_by": "shop",
            }
        },
    }
    return compile_definition(Project.model_validate({**settings, **more}))


def test_every_feature_has_one_card_under_the_name_that_answers_have():
    made = definition()

    names = [card.name for card in catalogue(made)]

    windowed = [feature.name for group in made.groups.values() for feature in group.features]
    assert names == [*windowed, "order.price", "order.double"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spent__price_mean_1h", ("float", 0, 900, "euros", "What was paid.")),
        ("spent__price_sum_1h", ("float", 0, None, None, "Money.")),
        ("spent__price_stddev_1h", ("float", 0, None, None, "Money.")),
        ("spent__price_latest_all", ("float", 0, 900, "EUR", "The last one.")),
        ("spent__returned_share_7d", ("float", 0, 1, None, "Money.")),
        ("seen__count_all", ("integer", 0, None, None, "")),
        ("order.price", ("float", 0, 900, "euros", "What was paid.")),
        ("order.double", ("float", None, None, None, "")),
    ],
)
def test_type_range_unit_and_description_follow_from_the_declarations(name, said):
    card = card_of(definition(), name)

    assert (card.type, card.low, card.high, card.unit, card.description) == said


@pytest.mark.parametrize(
    ("declared", "bounds"),
    [
        ({"clip": [0, 60]}, (0, 60)),
        ({"clip": [0, None]}, (0, None)),
        ({"clip": [0, 60], "min": 5, "max": 90}, (5, 60)),
        ({"clip": [None, 60], "min": -5}, (-5, 60)),
        ({"clip": [0, 60], "fill": -1}, (-1, 60)),
        ({"clip": [0, 60], "fill": 99}, (0, 99)),
        ({"clip": [0, 60], "fill": 99, "max": 80}, (0, 80)),
        ({"fill": 7}, (None, None)),
    ],
)
def test_a_range_is_what_clip_leaves_and_what_is_filled_in_within_the_bounds(declared, bounds):
    column = Column(type="integer", **declared)

    assert range_of("mean", column) == bounds
    assert range_of("sum", column) == (0 if bounds[0] is not None and bounds[0] >= 0 else None, None)


def test_a_formula_is_in_the_words_of_the_settings():
    made = definition()

    assert card_of(made, "spent__returned_share_7d").formula == "share of back where price > 1 over the last 7d by 1h"
    assert card_of(made, "spent__price_latest_all").formula == "latest of price since the first event, for 2h"
    assert card_of(made, "seen__count_all").formula == "count of events since the first event"


def test_a_card_says_whose_it_is_who_uses_it_and_what_it_takes_note_of():
    made = definition()
    spent, seen, price = (card_of(made, name) for name in ("spent__price_sum_1h", "seen__count_all", "order.price"))

    assert [card.owner for card in (spent, seen, price)] == ["sales", "everybody", "everybody"]
    assert [card.entity for card in (spent, seen, price)] == [("customer", "shop"), ("customer",), ()]
    assert (spent.feature_sets, spent.models) == (("order",), ("refund",))
    assert (seen.feature_sets, seen.models) == ((), ())
    assert [card.freshness for card in (spent, seen, price)] == [
        "each event of topic orders",
        "each published view",
        "the asking event",
    ]


def test_an_unknown_feature_is_answered_with_the_nearest():
    with pytest.raises(ConfigError, match=r"expected one of 8 features.*did you mean 'spent__price_sum_1h'"):
        card_of(definition(), "spent_price_sum_1h")
