"""A small project of orders and parcels, a store that is empty for each test, and random events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
import redis

from lambda_core.config.project import Project
from lambda_core.features.aggregations import Moment
from lambda_core.features.definition import Definition, FeatureGroup, compile_definition
from lambda_core.repositories.store import connect
from lambda_core.schemas.messages import Update
from lambda_core.views.keyspace import Keyspace

MINUTE = 60_000
DECLARED = {
    "project": "shop",
    "view": {"period": "1 minute", "ring": 4},
    "sources": {
        "orders": {
            "topic": "shop.orders",
            "columns": {
                "buyer": {"type": "string"},
                "price": {"type": "decimal", "scale": 2},
                "weight": {"type": "float"},
                "items": {"type": "integer"},
            },
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
            "unique_key": ["buyer"],
            "duplicate_horizon": "2 minutes",
        }
    },
    "entities": {"buyer": {"keys": ["buyer"]}, "everything": {"keys": ["buyer"]}},
    "feature_groups": {
        "by_buyer": {
            "source": "orders",
            "entity": "buyer",
            "features": [
                {"aggregations": ["count"], "windows": ["1h", "1d"]},
                {"column": "price", "aggregations": ["sum", "mean", "latest"], "windows": ["1h", "1d"]},
            ],
        },
        "by_all": {
            "source": "orders",
            "entity": "everything",
            "features": [
                {"column": "items", "aggregations": ["sum", "variance"], "windows": ["1h", "30d"]},
                {"column": "buyer", "aggregations": ["latest"], "windows": ["1h"]},
            ],
        },
    },
    "feature_sets": {
        "checkout": {
            "asked_by": "orders",
            "request_features": {
                "price": {"expression": "price"},
                "dear": {"expression": "case when price / items > 10 then 1 else 0 end", "type": "integer"},
            },
            "groups": ["by_buyer", "by_all"],
        }
    },
    "labels": {"returned": {"source": "orders", "value": "items", "join": ["buyer"], "delay": "1d"}},
    "models": {
        "returned": {
            "feature_set": "checkout",
            "label": "returned",
            "partition_by": "buyer",
            "split": {"strategy": "by_time"},
            "algorithm": {"strategy": "logistic"},
            "baseline": {"strategy": "isotonic"},
        }
    },
    "serving": {
        "deadline": "250ms",
        "ladder": [{"source": "merged"}, {"source": "batch_only"}, {"source": "default", "value": 0.25}],
        "routes": {"returned": "returned"},
    },
}


@dataclass(frozen=True)
class Event:
    """One order as the oracle sees it: values by column (price in hundredths), and its place in the log."""

    moment: Moment
    append_ms: int
    values: dict[str, object]


@pytest.fixture(scope="session")
def definition() -> Definition:
    return compile_definition(Project.model_validate(DECLARED))


@pytest.fixture
def client(store) -> Iterator[redis.Redis]:
    connected = connect(store.url)
    connected.flushdb()
    yield connected
    connected.flushdb()
    connected.close()


@pytest.fixture
def keys() -> Keyspace:
    return Keyspace("shop")


def row_of(group: FeatureGroup, event: Event) -> list[str]:
    states = []
    for slot in group.slots:
        value = 1 if slot.column is None else event.values[slot.column]
        states.append(slot.aggregation.update(None, value, event.moment))
    return group.encode(states)


def update_of(definition: Definition, group: FeatureGroup, entity: str, event: Event) -> Update:
    moment = event.moment
    return Update(
        definition.id,
        group.name,
        entity,
        moment.partition,
        moment.offset,
        event.append_ms,
        moment.event_time_ms,
        row_of(group, event),
    )


def random_events(draw: random.Random, number: int, from_ms: int) -> list[Event]:
    """Events in order of append time over two partitions; some late by up to two hours."""
    offsets = {0: 0, 1: 0}
    events = []
    append_ms = from_ms
    for _ in range(number):
        append_ms += draw.randrange(0, 40_000)
        partition = draw.randrange(2)
        event_ms = append_ms - draw.choice([0, 1, 500, 60_000, 7_200_000])
        values = {
            "buyer": draw.choice(["ann", "bob"]),
            "price": draw.choice([None, 1050, 999, -25]),
            "weight": draw.random(),
            "items": draw.randrange(1, 9),
        }
        events.append(Event(Moment(event_ms, partition, offsets[partition]), append_ms, values))
        offsets[partition] += 1
    return events


def oracle(group: FeatureGroup, events: list[Event], t_ms: int) -> dict[str, object]:
    """The batch formula over these events, one by one."""
    answer = {}
    for feature in group.features:
        slot = group.slots[feature.slot]
        state = None
        for event in events:
            if feature.window.covers(event.moment.event_time_ms, t_ms):
                state = slot.aggregation.update(
                    state, 1 if slot.column is None else event.values[slot.column], event.moment
                )
        answer[feature.name] = slot.aggregation.finish(state)
    return answer
