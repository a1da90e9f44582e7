"""An answer as people read it."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from lambda_core.config.project import Project
from lambda_core.errors import SchemaError
from lambda_core.features.definition import compile_definition
from lambda_core.schemas.messages import Answer, GroupProvenance
from serving_layer.client.ask import entities_by_column, moment_ms, pages

PROJECT = {
    "project": "shop",
    "sources": {
        "orders": {
            "topic": "shop.orders",
            "columns": {"buyer": {"type": "string"}, "city": {"type": "string"}, "items": {"type": "integer"}},
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
        }
    },
    "entities": {"buyer": {"keys": ["buyer"]}, "trip": {"keys": ["buyer", "city"]}},
    "feature_groups": {
        "by_buyer": {
            "source": "orders",
            "entity": "buyer",
            "features": [{"column": "items", "aggregations": ["mean"], "windows": ["1h"], "unit": "pieces"}],
        },
        "by_trip": {
            "source": "orders",
            "entity": "trip",
            "features": [{"aggregations": ["count"], "windows": ["1h"]}],
        },
    },
    "feature_sets": {
        "basket": {
            "asked_by": "orders",
            "groups": ["by_buyer", "by_trip"],
            "transform": [
                {"name": "few", "strategy": "clip", "of": "by_buyer__items_mean_1h", "parameters": {"high": 1.5}}
            ],
        }
    },
}


@pytest.fixture(scope="module")
def definition():
    return compile_definition(Project.model_validate(PROJECT))


def test_values_and_where_they_came_from_are_shown(definition):
    groups = {
        "by_buyer": GroupProvenance("ann", {0: 12, 1: 7}, from_batch=True, from_speed=True, last_event_ms=1_000),
        "by_trip": GroupProvenance(None),
    }
    values = {"by_buyer__items_mean_1h": 2.5, "by_trip__count_1h": None, "few": 1.5}
    answer = Answer(2_000, "basket", "f00d", "merged", values, "g7", 9, "d.0", groups)
    screen = io.StringIO()

    Console(file=screen, width=140).print(*pages(definition, answer), sep="\n")

    shown = screen.getvalue()
    for part in (
        "basket at 1970-01-01 00:00:02.000Z",
        "2.5 │ pieces",
        "1.5 │ pieces",
        "source: merged; generation g7, horizon 9; feature-set id f00d",
        "batch + speed",
        "1970-01-01 00:00:01.000Z",
        "0: 12, 1: 7",
        "nothing in its windows",
    ):
        assert part in shown


@pytest.mark.parametrize(
    ("text", "moment"),
    [("1970-01-01T00:00:01Z", 1_000), ("1970-01-01 00:00:01", 1_000), ("1970-01-01T01:00:00+01:00", 0)],
)
def test_a_moment_is_utc_unless_it_says_otherwise(text, moment):
    assert moment_ms(text) == moment


def test_what_is_no_moment_is_told_with_an_example():
    with pytest.raises(SchemaError, match="at: expected a moment like 2013-12-01T17:30:00Z, found 'noon'"):
        moment_ms("noon")


@pytest.mark.parametrize(
    ("keys", "entities"),
    [
        ({"buyer": "ann", "city": "Ulm"}, {"buyer": {"buyer": "ann"}, "trip": {"buyer": "ann", "city": "Ulm"}}),
        ({"buyer": "ann"}, {"buyer": {"buyer": "ann"}}),
        ({}, {}),
    ],
)
def test_entities_are_found_by_their_key_columns(definition, keys, entities):
    assert entities_by_column(definition, "basket", keys) == entities
