"""A demo beside other tests: a day of messages, with the merge worker killed on the way.

Its batch stages run in this process, in a session of their own over the Spark that the tests share and have warmed;
everything else runs as always.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import yaml
from nbclient import NotebookClient
from nbformat import NotebookNode
from pyspark.sql import SparkSession

from batch_layer.preparation.no_future import NoFutureReport, no_future_check
from demo.main import run_demo
from demo.stage import Place
from jobs import batch
from lambda_core.bootstrap import build_context
from lambda_core.context import RunContext
from local_stack import stack
from local_stack.ports import free_port

ROOT = Path(__file__).parents[1]
SINCE = "2013-05-01"
"""Seven months of history for one day of messages: as few as the models of all partitions need to be promoted."""


@dataclass(frozen=True)
class Ran:
    """What a demo left: its exit code, its report, and where it still runs."""

    code: int
    report: dict[str, Any]
    place: Place
    variables: dict[str, str]


@dataclass(frozen=True)
class Begun:
    """A demo on its way, and what is looked at when it has ended, while other tests go on."""

    demo: Future[Ran]
    another_future: Future[NoFutureReport]
    tour: Future[NotebookNode]


@dataclass(frozen=True)
class Here:
    """Batch stages in this process, as `jobs.batch` runs them in one of its own."""

    spark: SparkSession
    variables: dict[str, str]

    def context(self) -> RunContext:
        context = build_context(ROOT / "conf", {**os.environ, **self.variables})
        context.builders["spark"] = lambda _: self.spark
        return context

    def run(self, arguments: Sequence[str]) -> None:
        context = self.context()
        trail = context.environment.state / "audit.jsonl"
        assert batch.main(list(arguments), lambda: context) == 0, f"batch stages {arguments} failed; {trail} says why"


@contextmanager
def running(spark: SparkSession, folder: Path) -> Iterator[Begun]:
    """Begin a demo in a thread; at the end, its processes are ended too."""
    settings = yaml.safe_load((ROOT / "conf/environments/local.yaml").read_text())
    settings |= {"state": str(folder / "state"), "data": str(folder / "data")}
    settings["api"]["port"] = free_port()
    settings["spark"]["driver_memory"] = "3g"
    settings["speed"]["trigger"] = "realtime 2 minutes"  # a checkpoint plans the query anew, and none is needed here
    environment = folder / "environment.yaml"
    environment.write_text(yaml.safe_dump(settings))
    place = Place(environment, folder / "stack", folder / "report.json")
    own = spark.newSession()
    own.conf.set("spark.sql.adaptive.enabled", "true")  # as everywhere but in the tests of small tables

    def run() -> Ran:
        sys.settrace(None)  # of this thread: the oracle goes the same lines a million times, and is not measured
        code = run_demo(
            days=1,
            kill=["merge"],
            since=SINCE,
            place=place,
            batches=lambda stage: nullcontext(Here(own, stage.variables)),
        )
        addresses = stack.status(place.stack).addresses
        variables = {"MAINSTEM_ENVIRONMENT": str(environment.with_suffix(""))}
        variables |= addresses.as_environment() if addresses else {}
        return Ran(code, json.loads(place.report.read_text()), place, variables)

    def another_future(begun: Future[Ran]) -> NoFutureReport:
        return no_future_check(Here(own, begun.result().variables).context(), "departure", rows=1_000)

    def tour(begun: Future[Ran]) -> NotebookNode:
        notebook = nbformat.read(ROOT / "notebooks" / "tour.ipynb", as_version=4)
        kernel = {**os.environ, "MAINSTEM_REPORT": str(begun.result().place.report)}
        client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
        return client.execute(env=kernel)

    with ExitStack() as ends:
        ends.callback(stack.down, place.stack)  # what it may have started after the first one
        pool = ends.enter_context(ThreadPoolExecutor(1, thread_name_prefix="demo"))
        ends.callback(stack.down, place.stack)  # a demo that is still under way fails by this, soon
        begun = pool.submit(run)
        yield Begun(begun, pool.submit(another_future, begun), pool.submit(tour, begun))
