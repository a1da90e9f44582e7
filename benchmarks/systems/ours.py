"""Our speed layer as it is run: `jobs.speed` and `jobs.merge`, over a project of YAML, read through the serving client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from benchmarks.systems.events import PARTITIONS
from benchmarks.systems.processes import ROOT, Program, Servers, python
from lambda_core.config.loading import load_project
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import client_of, connect
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Pointer, Published
from serving_layer.client import Asked, ServingClient

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.systems.events import Features

NAME = "bench"
GROUP = "orders_by_shop"
TOPIC = "bench.orders"
PROJECT = {
    "project": NAME,
    "sources": {
        "orders": {
            "topic": TOPIC,
            "columns": {"shop": {"type": "string"}, "amount": {"type": "integer"}, "at": {"type": "integer"}},
            "derive": {"ordered": {"type": "timestamp", "expression": "timestamp_millis(at)"}},
            "event_time": "ordered",
        }
    },
    "entities": {"shop": {"keys": ["shop"]}},
    "feature_groups": {
        GROUP: {
            "source": "orders",
            "entity": "shop",
            "features": [
                {"aggregations": ["count"], "windows": ["1h"]},
                {"column": "amount", "aggregations": ["sum", "max"], "windows": ["1h"]},
            ],
        }
    },
    "feature_sets": {"order": {"asked_by": "orders", "groups": [GROUP]}},
}


class Ours:
    """The query with its raw writer, and one merge worker."""

    topic = TOPIC
    name = "ours"

    def __init__(self, servers: Servers, trigger: str = "realtime 30 seconds") -> None:
        self._servers = servers
        self._trigger = trigger
        self._programs: list[Program] = []
        self._folder = servers.folder / "ours"
        _write_conf(self._folder, trigger)
        self.reader = OurReader(servers.redis)

    @property
    def checkpoint(self) -> Path:
        """Return the folder of the query's checkpoint."""
        return self._folder / "state" / "checkpoints" / "updates"

    def start(self) -> None:
        """Publish an empty view, if there is none, and start both processes."""
        os.environ.update(
            {"PYTHONPATH": str(ROOT), "KAFKA_BOOTSTRAP_SERVERS": self._servers.kafka, "REDIS_URL": self._servers.redis}
        )
        publish_empty_view(self._servers.redis, self._folder)
        for job in ("speed", "merge"):
            self._programs.append(Program(job, python("-m", f"jobs.{job}"), self._folder))

    def programs(self) -> Sequence[Program]:
        """Return what runs."""
        return self._programs

    def stop(self) -> None:
        """End both."""
        for program in self._programs:
            program.end()
        self._programs = []


class OurReader:
    """What a client reads: positions by the views, features by the serving client."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._views = ViewStore(client_of(url), Keyspace(NAME))
        self._serving: ServingClient | None = None

    def positions(self, shops: Sequence[str]) -> list[dict[int, int]]:
        """Return of each shop: source partition -> greatest offset that answers hold."""
        read = self._views.read([(GROUP, shop) for shop in shops])
        return [_positions(read.entities[GROUP, shop].speed) for shop in shops]

    def features(self, shops: Sequence[str], t_ms: int) -> list[Features]:
        """Return of each shop its features at `t_ms`."""
        if self._serving is None:
            from lambda_core.config.project import Project

            self._serving = ServingClient(Project.model_validate(PROJECT), None, client_of(self._url))
            self._serving.refresh()
        found: list[Features] = []
        for shop in shops:
            values = self._serving.features("order", Asked({"shop": shop}), t_ms).values
            count, *others = (values[f"{GROUP}__{one}_1h"] for one in ("count", "amount_sum", "amount_max"))
            found.append((count, others[0], others[1]))
        return found


def _positions(speed: Sequence[object]) -> dict[int, int]:
    found: dict[int, int] = {}
    for one in speed:
        for partition, offset in one.fence.items():  # type: ignore[attr-defined]
            found[partition] = max(found.get(partition, -1), offset)
    return found


def _write_conf(folder: Path, trigger: str) -> None:
    """Write the project, and the shipped environment of one machine with this trigger."""
    for name in (NAME, "environments"):
        (folder / "conf" / name).mkdir(parents=True, exist_ok=True)
    (folder / "conf" / NAME / "project.yaml").write_text(yaml.safe_dump(PROJECT))
    local = yaml.safe_load((ROOT / "conf" / "environments" / "local.yaml").read_text())
    local |= {"state": str(folder / "state"), "data": str(folder / "data")}
    local["speed"] |= {"trigger": trigger, "topic_partitions": PARTITIONS}
    local["spark"] |= {"driver_memory": "3g"}
    (folder / "conf" / "environments" / "local.yaml").write_text(yaml.safe_dump(local))


def publish_empty_view(url: str, folder: Path) -> None:
    """Publish a view that covers nothing, so that every period is the speed view's."""
    definition = compile_definition(load_project(folder / "conf" / NAME))
    keys, client, epoch = Keyspace(NAME), connect(url), f"{definition.id}.0"
    DefinitionStore(client, keys).put_definition(definition.id, {})
    client.sadd(keys.mark, epoch)
    client.set(keys.pointer, Pointer(Published("g0", 0, epoch, {}, 0)).encode(), nx=True)
