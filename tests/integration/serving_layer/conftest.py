"""A small project of orders and parcels, a store that is empty for each test, and random events."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import redis
from onnx import TensorProto, helper

from lambda_core.config.project import Project
from lambda_core.features.aggregations import Moment
from lambda_core.features.definition import Definition, FeatureGroup, compile_definition
from lambda_core.models.artefact import sha256
from lambda_core.models.manifest import Artefact, Manifest
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.merge_store import MergeStore
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.store import connect
from lambda_core.schemas.messages import Update
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.packing import pack
from lambda_core.views.pointer import Pointer, Published
from lambda_core.views.speed import merge_rows
from local_stack.ports import free_port
from local_stack.store import Store

MINUTE = 60_000
DECLARED = {
    "project": "shop",
    "view": {"period": "1 minute", "ring": 4},
    "sources": {
        "orders": {
            "topic": "shop.orders",
            "columns": {
                "buyer": {"type": "string"},
                "shop": {"type": "string"},
                "price": {"type": "decimal", "scale": 2},
                "items": {"type": "integer"},
            },
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
            "unique_key": ["buyer"],
            "duplicate_horizon": "2 minutes",
        }
    },
    "entities": {"buyer": {"keys": ["buyer"]}, "everything": {"keys": ["shop"]}},
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
        "deadline": "10s",  # but where a test is about time: on a busy machine any answer may be late, and be a fallback
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


def sigmoid_of_first(width: int, weight: float) -> bytes:
    nodes = [
        helper.make_node("Gather", ["vector", "zero"], ["first"], axis=1),
        helper.make_node("Mul", ["first", "weight"], ["product"]),
        helper.make_node("Sigmoid", ["product"], ["score"]),
    ]
    constants = [
        helper.make_tensor("zero", TensorProto.INT64, [1], [0]),
        helper.make_tensor("weight", TensorProto.FLOAT, [1], [weight]),
    ]
    inputs = [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [None, width])]
    outputs = [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])]
    graph = helper.make_graph(nodes, "sigmoid", inputs, outputs, constants)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    return made.SerializeToString()


class Shop:
    """A published shop in a real Redis, and the oracle: the batch formula over events, one by one."""

    minute = MINUTE

    def __init__(self, client: redis.Redis, keys: Keyspace, definition: Definition) -> None:
        self.client, self.keys, self.definition = client, keys, definition
        self.epoch = f"{definition.id}.0"

    def events(self, seed: int, number: int, from_ms: int) -> list[Event]:
        """Events in order of append time over two partitions; some late by up to two hours."""
        draw = random.Random(seed)
        offsets = {0: 0, 1: 0}
        made = []
        append_ms = from_ms
        for _ in range(number):
            append_ms += draw.randrange(0, 40_000)
            partition = draw.randrange(2)
            event_ms = append_ms - draw.choice([0, 1, 500, 60_000, 7_200_000])
            values = {
                "buyer": draw.choice(["ann", "bob"]),
                "price": draw.choice([None, 1050, 999, -25]),
                "items": draw.randrange(1, 9),
            }
            made.append(Event(Moment(event_ms, partition, offsets[partition]), append_ms, values))
            offsets[partition] += 1
        return made

    def oracle(self, group: str, events: list[Event], t_ms: int) -> dict[str, object]:
        answer = {}
        for feature in self.definition.groups[group].features:
            slot = self.definition.groups[group].slots[feature.slot]
            state = None
            for event in events:
                if feature.window.covers(event.moment.event_time_ms, t_ms):
                    value = 1 if slot.column is None else event.values[slot.column]
                    state = slot.aggregation.update(state, value, event.moment)
            answer[feature.name] = feature.answer.finish(state, t_ms)
        return answer

    def entities(self, event: Event) -> dict[str, str]:
        return {"by_buyer": str(event.values["buyer"]), "by_all": "all"}

    def load(self, generation: str, events: list[Event], only: str | None = None) -> None:
        """Write batch values of these events; with `only`, all of them under that key of `by_all`."""
        for group in self.definition.groups.values():
            by_entity: dict[str, list[Event]] = {}
            for event in events:
                by_entity.setdefault(only or self.entities(event)[group.name], []).append(event)
            for entity, own in by_entity.items():
                last_ms = max(event.moment.event_time_ms for event in own)
                value = pack(group, last_ms, self._tiles(group, own))
                self.client.set(self.keys.batch(group.name, entity, generation), value)

    def flip(self, generation: str, horizon: int, **more) -> None:
        pointers = PointerRepository(self.client, self.keys)
        before = pointers.get()
        published = {"epoch": self.epoch, "raw_versions": {}, "lookback_from_ms": 0, **more}
        current = Published(generation, horizon, **published)
        pointers.flip(before.encode() if before else None, Pointer(current, before.current if before else None))

    def publish(self, events: list[Event], horizon: int, **more) -> None:
        """Make the events before the horizon the batch view g1 and apply all others as updates."""
        marks = marks_of(self.client, self.keys)
        marks.add(more.get("epoch", self.epoch))
        marks.begin("g1")
        self.load("g1", [event for event in events if event.append_ms // MINUTE < horizon])
        marks.written("g1")
        self.apply([event for event in events if event.append_ms // MINUTE >= horizon])
        self.flip("g1", horizon, **more)

    def apply(self, events: list[Event]) -> None:
        updates = [
            self._update(self.definition.groups[name], entity, event)
            for event in events
            for name, entity in self.entities(event).items()
        ]
        MergeStore(self.client, self.keys, self.definition).apply(self.epoch, updates)

    def model(self, version: str, weight: float, **more) -> Manifest:
        """Deploy an ONNX graph for ann: sigmoid(weight * price)."""
        names = self.definition.vector_names("checkout")
        content = sigmoid_of_first(len(names), weight)
        artefact = Artefact(more.get("sha256", sha256(content)), len(content))
        manifest = Manifest(
            *("returned", version, "checkout", self.definition.feature_set_id("checkout"), self.definition.id),
            *(names, {"ann": artefact}, "run", "split", 1),
        )
        store = RedisModelStore(self.client, self.keys)
        store.put(manifest, {"ann": content})
        store.flip("returned", store.model_pointer("returned"), version)
        return manifest

    def row(self, group: FeatureGroup, event: Event) -> list[str]:
        values = [1 if slot.column is None else event.values[slot.column] for slot in group.slots]
        states = [slot.aggregation.update(None, v, event.moment) for slot, v in zip(group.slots, values, strict=True)]
        return group.encode(states)

    def _tiles(self, group: FeatureGroup, events: list[Event]) -> dict[tuple[int, int], list[str]]:
        tiles: dict[tuple[int, int], list[str]] = {}
        for event in events:
            for hop_ms in group.hops_ms:
                place = (hop_ms, event.moment.event_time_ms // hop_ms * hop_ms)
                row = self.row(group, event)
                tiles[place] = merge_rows(group, tiles[place], row) if place in tiles else row
        return tiles

    def _update(self, group: FeatureGroup, entity: str, event: Event) -> Update:
        moment, append_ms = event.moment, event.append_ms
        where = (moment.partition, moment.offset, append_ms, moment.event_time_ms)
        return Update(self.definition.id, group.name, entity, *where, self.row(group, event))


@pytest.fixture
def shop(client, keys, definition) -> Shop:
    return Shop(client, keys, definition)


@pytest.fixture
def new_shop(keys, definition) -> Callable[[redis.Redis], Shop]:
    return lambda client: Shop(client, keys, definition)


@pytest.fixture
def own_store(tmp_path) -> Iterator[Store]:
    """A Redis server of the test's own, to be stopped at will."""
    server = Store(tmp_path, free_port())
    server.start()
    server.wait_ready()
    yield server
    server.stop()
