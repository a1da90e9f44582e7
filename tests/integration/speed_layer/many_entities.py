"""Many entities of one group in whatever Redis, one server or a cluster: their events, a published view, what is read.

The project is that of the laws: every aggregation over every type of column. Publications, workers and reads are the
product's own; a view is packed from the events themselves.
"""

import random
import sys
import threading
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, Self

import msgspec
import structlog
import tenacity

from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock, SystemClock
from lambda_core.config.environment import Environment
from lambda_core.features.definition import Definition, compile_definition
from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.repositories.memory_topics import MemoryTopics
from lambda_core.repositories.store import connect
from lambda_core.repositories.view_store import EntityViews, ViewStore, Wanted
from lambda_core.schemas.messages import UPDATES, topic
from lambda_core.views.reading import read_group
from speed_layer.connection import open_once
from speed_layer.merging import run_merge
from speed_layer.merging.handling import MergeHandler
from speed_layer.merging.target import RedisTarget
from speed_layer.monitoring import Measures
from speed_layer.positions import Positions
from tests.laws import oracle, worlds
from tests.laws.oracle import Event

PARTITIONS = 4
ENTITIES = tuple(f"e{number}" for number in range(60))
MOMENTS = (100, 150, 200, 280, 500, 800, 1_500, 2_500)


def events_of(seed: int, number: int) -> list[Event]:
    """Events over two source partitions, late, tied and with copies, in the order in which they were appended."""
    draw, offsets, append, made = random.Random(seed), [0, 0], 0, []
    for _ in range(number):
        append += draw.choice([0, 1, 2])
        partition = draw.randrange(2)
        unique = draw.choice([None, None, "a", "b"])
        at = max(0, append - draw.choice([0, 1, 5, draw.randrange(120)]))
        values = worlds.values_of(draw.randrange(2**32))
        made.append(Event(partition, offsets[partition], append, at, draw.choice(ENTITIES), values, unique))
        offsets[partition] += 1
    return made


class Tables:
    """The batch side of a publication, made of events."""

    def __init__(self, many: "Many", events: Iterable[Event]) -> None:
        self._many, self._events = many, list(events)

    def prepared(self) -> list[Any]:
        from batch_layer.publishing.horizon import Prepared

        return [Prepared("things", None, {}, {})]

    def accounts(self, prepared: list[Any], horizon: int) -> dict[str, int]:
        return {"things": 0}

    def build(self, prepared: list[Any], horizon: int) -> Any:
        kept = oracle.without_duplicates(self._events, worlds.DUPLICATE_HORIZON_MS)
        own: dict[str, list[Event]] = {}
        for event in kept:
            if event.append_ms // worlds.PERIOD_MS < horizon:
                own.setdefault(event.entity, []).append(event)
        values = {
            entity: worlds.packed_value(self._many.group, sorted(own[entity], key=oracle.position)) for entity in own
        }
        return SimpleNamespace(versions={}, tiles={}, lookback_from_ms=0, values=values)

    def write(self, generation: str, tiles: Any) -> dict[str, Any]:
        for entity, value in tiles.values.items():
            self._many.client.set(self._key(entity, generation), value)
        return {"things": Counter(tiles.values.values())}

    def read_back(self, generation: str, tiles: Any) -> dict[str, Any]:
        return {"things": Counter(self._many.client.get(self._key(entity, generation)) for entity in tiles.values)}

    def rebuilds(self, definition_id: str) -> int:
        return self._many.rebuilds

    def references(self) -> dict[str, str]:
        return {}

    def record(self, new: Any, *of: Any) -> None:
        self._many.rebuilds = new.rebuild

    def _key(self, entity: str, generation: str) -> str:
        return self._many.keys.batch("things", entity, generation)


class Many:
    """One Redis, or a cluster, that serves the project under a name."""

    def __init__(self, name: str, kafka: str, url: str, max_batch: int = 40) -> None:
        project = worlds.project(project=name)
        speed = {"topic_partitions": PARTITIONS, "max_batch": max_batch}
        self.context = assemble(project, Environment.model_validate({"kafka": kafka, "redis": url, "speed": speed}))
        self.definition: Definition = compile_definition(project)
        self.context.builders["definition"] = lambda _: self.definition
        self.group = self.definition.groups["things"]
        self.keys, self.client = self.context.keys, connect(url)
        self.topics, self.topic = KafkaTopics(kafka), topic(name, UPDATES)
        self.topics.create({self.topic: PARTITIONS})
        self.rebuilds = -1

    def publish(self, events: Iterable[Event], horizon: int) -> Any:
        """Publish what is before the horizon."""
        from batch_layer.publishing.publish import publish  # a worker's process does without

        view = self.context.project.view
        clock = FixedClock(horizon * view.period_ms + view.clock_allowance_ms)
        own = {"redis": self.client, "keys": self.keys, "definition": self.definition, "project": self.context.project}
        made = SimpleNamespace(clock=clock, log=LOG, run_id="many", **own)
        return publish(made, MemoryTopics(), Tables(self, events))

    def send(self, events: Iterable[Event]) -> None:
        """Put the events' updates on the topic, in order, by entity."""
        log = producer(self.context.environment.kafka)
        for event in events:
            update = msgspec.structs.replace(worlds.update_of(self.group, event), definition=self.definition.id)
            log.produce(self.topic, msgspec.json.encode(update), partition=ENTITIES.index(event.entity) % PARTITIONS)
        log.flush()

    def views(self) -> dict[Wanted, EntityViews]:
        """Read every entity as serving does."""
        return ViewStore(self.client, self.keys).read([("things", entity) for entity in ENTITIES]).entities

    def answers(self) -> dict[tuple[str, int], Any]:
        """Return what is answered for every entity at several moments: values, positions and edge."""
        told = {}
        for (_, entity), views in self.views().items():
            for t_ms in MOMENTS:
                reading = read_group(self.group, entity, views.batch, views.speed, t_ms)
                told[entity, t_ms] = (reading.values, reading.provenance.positions, reading.provenance.edge)
        return told

    def target(self, share: Any = None) -> RedisTarget:
        """Return what a worker writes to."""
        own = Positions(self.keys, self.topics, self.topic, (lambda: share.own) if share else (lambda: None))
        url = self.context.environment.redis.get_secret_value()
        return RedisTarget(lambda: open_once(url), own, lambda *_: self.definition)

    def handler(self, target: RedisTarget, measures: Measures, lag: Any = lambda _: 0) -> MergeHandler:
        """Return a worker's handler."""
        return MergeHandler(target, SystemClock(), measures, LOG, lag)

    def positions(self) -> dict[int, int]:
        """Return the positions that a worker would go on from: the oldest of all shards'."""
        target = self.target()
        target.open()
        epochs = [one.epoch for one in target.targets()]
        return target.positions(epochs) if epochs else {}

    def wait_for(self, reached: Any) -> None:
        """Wait until this is true."""
        waiting = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: not found),
            stop=tenacity.stop_after_delay(120),
            wait=tenacity.wait_fixed(0.02),
        )
        waiting(reached)

    def wait_until_drained(self) -> None:
        """Wait until every update of the topic was applied."""
        ends = self.topics.ends(self.topic)
        self.wait_for(lambda: self.positions() == ends)


def unseen_measures() -> Measures:
    """Return a worker's measures that log nothing."""
    return Measures("merge", SystemClock(), LOG)


LOG = structlog.wrap_logger(structlog.ReturnLogger(), processors=[lambda *_: ("", {})])


@dataclass
class Running:
    """A merge worker in a thread of its own, and what it has logged."""

    many: Many
    told: list[dict[str, Any]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    partitions: list[int] | None = None

    def __enter__(self) -> Self:
        context = assemble(self.many.context.project, self.many.context.environment)
        context.log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[self._tell])
        self._ended: list[Any] = []
        self._thread = threading.Thread(
            target=lambda: self._ended.append(run_merge(context, self.partitions, self.stop)), daemon=True
        )
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.leave()

    def leave(self) -> Counter[str]:
        """End the worker as SIGTERM does; return what became of its records."""
        self.stop.set()
        self._thread.join(20)
        assert self._ended, "the worker did not end, or ended with an error"
        return self._ended[0]

    @property
    def reads(self) -> list[int]:
        """The partitions that it reads now."""
        begun = [one["positions"] for one in self.told if one["event"] == "merge worker begins"]
        return sorted(begun[-1]) if begun else []

    def _tell(self, _: object, __: str, event: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        self.told.append(dict(event))
        return "", {}


def work(name: str, kafka: str, url: str) -> None:
    """Be a merge worker, until killed."""
    run_merge(Many(name, kafka, url).context)


if __name__ == "__main__":
    work(*sys.argv[1:])
