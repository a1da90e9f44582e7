"""One crash run, from empty folders to a judgement.

1. Servers, the query, the workers; sales at a rate; views published one after the other; readers that ask all the time.
2. The plan's steps: someone is killed, and once the system is back (a sale sent after the kill is part of an answer) and
   all went well for a while, the next one. Beside that, processes end at their fail points.
3. Sending pauses; all that was sent drains; every entity is asked for, over everything.
4. With losses: Redis is emptied, and later put back to an older state, while everything runs; then 3 again.
5. Everything that was read, scored and stored is held to the oracle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass

import msgspec
import redis

from lambda_core.bootstrap import build_context
from tests.crash import project
from tests.crash.judging import Judgement
from tests.crash.model import deploy
from tests.crash.publishing import BatchProcess, Stages
from tests.crash.sales import Sales
from tests.crash.sending import Sender, create_topic
from tests.crash.system import Process, Servers, System
from tests.crash.world import Run, World

STARTED = ("speed", "merge", "score")


def processes(run: Run, variables: Mapping[str, str]) -> list[Process]:
    """Return the product's processes, each with its fail points."""
    points = run.plan.points
    return [Process(name, run.folder / f"{name}.log", variables, points.get(name, ())) for name in STARTED]


@contextmanager
def batch_process(run: Run, variables: Mapping[str, str]) -> Iterator[Stages]:
    """Run batch stages in a process of their own."""
    with BatchProcess(run.folder / "batch.log", variables, run.plan.points.get("batch", ())) as stages:
        yield stages


@dataclass(frozen=True)
class Parts:
    """Who runs what; tests run a part of it in the Spark that they share."""

    processes: Callable[[Run, Mapping[str, str]], list[Process]] = processes
    stages: Callable[[Run, Mapping[str, str]], AbstractContextManager[Stages]] = batch_process


def crash(run: Run, parts: Parts | None = None) -> Judgement:
    """Live through the plan; return what came of it."""
    parts = parts or Parts()
    with ExitStack() as ends:
        servers = ends.enter_context(Servers(run.folder))
        kafka, url = servers.broker.address, servers.redis.url
        variables = project.write(run.folder, kafka, url, run.settings.timing)
        (run.folder / "variables.json").write_bytes(msgspec.json.encode(variables))
        create_topic(kafka)
        deploy(redis.Redis.from_url(url))
        system = ends.enter_context(System(servers, parts.processes(run, variables)))
        sender = ends.enter_context(Sender(kafka, Sales(run.settings.seed, run.settings.customers), run.settings.rate))
        batch = ends.enter_context(parts.stages(run, variables))
        world = World(run, system, sender, batch, build_context(variables=variables), variables)
        world.live()
        world.judge()
    return run.found
