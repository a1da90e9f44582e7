"""Which settings a request is answered by: views only under the definition that it was made by, and that was published."""

import structlog

from lambda_core.clock import FixedClock
from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.view_store import EntityViews, ViewsRead
from lambda_core.schemas.messages import Request
from lambda_core.views.pointer import Pointer, Published
from speed_layer.scoring.predictions import REFRESH_MS, Predictions

PROJECT = Project.model_validate(
    {
        "project": "shop",
        "sources": {
            "orders": {
                "topic": "orders",
                "columns": {"id": {"type": "string"}, "customer": {"type": "string"}},
                "derive": {"at": {"type": "timestamp", "expression": "now()"}},
                "event_time": "at",
                "unique_key": ["id"],
            }
        },
        "entities": {"customer": {"keys": ["customer"]}},
        "feature_groups": {
            "orders": {
                "source": "orders",
                "entity": "customer",
                "features": [{"aggregations": ["count"], "windows": ["1h"]}],
            }
        },
        "feature_sets": {"order": {"asked_by": "orders", "where": "true", "groups": ["orders"]}},
        "labels": {"returned": {"source": "orders", "value": "0", "join": ["id"], "delay": "1d"}},
        "models": {
            "returns": {
                "feature_set": "order",
                "label": "returned",
                "partition_by": "customer",
                "split": {"strategy": "by_time"},
                "algorithm": {"strategy": "lightgbm"},
                "baseline": {"strategy": "isotonic"},
            }
        },
        "serving": {"ladder": [{"source": "merged", "value": 0.25}, {"source": "default", "value": 0.5}]},
    }
)
OWN = compile_definition(PROJECT)


class OnePointer:
    """Views of entities without events, under a pointer to one definition; no model is deployed."""

    def __init__(self, definition_id):
        self.pointer = Pointer(Published("g", 0, f"{definition_id}.0", {}, 0))

    def read(self, wanted):
        return ViewsRead(self.pointer, {one: EntityViews(self.pointer.current, None, []) for one in wanted})

    read_batch = read

    def model_pointer(self, model):
        return None


def asked(definition_id):
    return Request(definition_id, "returns", "order", "o/0/1", "c", 900, 1_000, {"orders": "c"}, {})


def predictions(pointed_to, published, clock):
    views = OnePointer(pointed_to)
    return Predictions(PROJECT, views, views, published.get, clock, structlog.get_logger())


def sources(made, *ids):
    return [one.answer.source for one in made.predict([asked(id_) for id_ in ids])]


def test_a_request_of_the_published_definition_is_answered_from_the_views():
    assert sources(predictions(OWN.id, {OWN.id: OWN}, FixedClock(0)), OWN.id) == ["merged"]


def test_a_request_of_other_settings_is_answered_without_views_even_when_its_definition_is_the_one_published():
    made = predictions("other", {OWN.id: OWN}, FixedClock(0))
    assert sources(made, "other", OWN.id) == ["default", "default"]
    assert sources(predictions(OWN.id, {OWN.id: OWN}, FixedClock(0)), "other", OWN.id) == ["default", "merged"]


def test_a_definition_that_is_published_later_is_known_soon_and_ids_of_others_are_not_remembered():
    clock, published = FixedClock(0), {}
    made = predictions(OWN.id, published, clock)
    assert sources(made, OWN.id, *(f"other{number}" for number in range(50))) == ["default"] * 51
    published[OWN.id] = OWN
    clock.advance(REFRESH_MS)
    made.predict([])
    assert sources(made, OWN.id) == ["merged"]
    assert set(made._ready) == {"", OWN.id}
