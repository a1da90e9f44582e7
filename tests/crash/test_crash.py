"""The short crash run of every test run: each of the five is killed, a second merge worker joins, the first one leaves.

No view is published on the way, since a cold Spark takes as long for one as all else takes: `make crash` publishes.
"""

import os
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from threading import Event, Thread

import pytest

from lambda_core.bootstrap import build_context
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.views.pointer import Pointer, Published
from speed_layer.preparation import run_queries
from tests.crash.plan import FIVE, JOIN, LEAVE, Plan, Step
from tests.crash.project import Timing
from tests.crash.run import Parts, crash
from tests.crash.run import processes as own_processes
from tests.crash.system import Process
from tests.crash.world import Run, Settings

POINTS = {
    "merge": ("merge.after_apply:30", "merge.before_apply:5"),
    "score": ("score.after_stand:10", "score.after_send:5"),
}
PLAN = Plan(
    (
        Step(("redis",), 0.2, cut=4_096),
        Step((JOIN,), 0.1),
        Step(("merge", "score", "broker"), 0.2),
        Step(("speed",), 0.2),
        Step((LEAVE,), 0.1),
    ),
    POINTS,
)


class Speed(Process):
    """The query in a process of its own; once that was killed, in the Spark that the tests share, which is warm."""

    def __init__(self, run: Run, variables: Mapping[str, str], spark: object) -> None:
        super().__init__("speed", run.folder / "speed.log", {**variables})
        self._spark, self._stop, self._successor = spark, Event(), None

    def start(self) -> None:
        if self.starts == 0:
            super().start()
            return
        context = build_context(variables={**os.environ, **self._variables}, streaming=True)
        context.builders["spark"] = lambda _: self._spark
        self.wanted = False
        self._successor = Thread(target=run_queries, args=(context, self._stop), daemon=True)
        self._successor.start()

    def leave(self, seconds: float = 30) -> int:
        if self._successor is None:
            return super().leave(seconds)
        self._stop.set()
        self._successor.join(seconds)
        return 0


def publish_empty_view(variables: Mapping[str, str]) -> None:
    context = build_context(variables=variables)
    definition = compile_definition(context.project)
    client, epoch = context.redis, f"{definition.id}.0"
    DefinitionStore(client, context.keys).put_definition(definition.id, {})
    client.sadd(context.keys.mark, epoch)
    PointerRepository(client, context.keys).flip(None, Pointer(Published("g0", 0, epoch, {}, 0)))


def parts(spark) -> Parts:
    def processes(run: Run, variables: Mapping[str, str]) -> list[Process]:
        publish_empty_view(variables)
        return [Speed(run, variables, spark), *own_processes(run, variables)[1:]]

    return Parts(processes)


@pytest.mark.slow
@pytest.mark.servers
@pytest.mark.timeout(1_200)  # recoveries are waited for, however busy the machine is
def test_nothing_is_lost_doubled_or_different_after_each_of_the_five_was_killed(spark, tmp_path: Path):
    timing = Timing("realtime 10 seconds", "1 second")
    settings = Settings(seed=1, rate=200, customers=400, publications=0, losses=False, timing=timing)

    found = crash(Run(settings, PLAN, tmp_path, print), parts(spark))

    assert found.said == []
    assert found.figures["killed"] == dict.fromkeys(FIVE, 1)
    assert Counter(found.figures["fail points"]) == Counter(
        point.partition(":")[0] for own in POINTS.values() for point in own
    )
    assert found.figures["entities compared after the kills"] > settings.customers
    assert found.figures["answers"]["merged"] > 100
    assert found.figures["scores"]["merged"] > 0
    assert found.figures["updates that arrived twice"] > 0
