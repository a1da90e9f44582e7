"""How the speed layer fares, told from any shell: from the log, Redis and the checkpoints; no process is asked.

1. The log tells where topics end and how old the oldest waiting record is; without it nothing is told.
2. The checkpoints tell where the query and the writers stand; the quarantine topic, what was refused.
3. Redis tells what is published, which positions the workers keep, and what each process left of its figures.
4. What stands still or is missing is found (`findings`), each with what to do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, TypeVar

import msgspec

from lambda_core.errors import PositionError, StoreError
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, UPDATES, topic
from speed_layer.monitoring.figures import FiguresStore, Heard, PartitionFigures
from speed_layer.monitoring.findings import findings
from speed_layer.monitoring.quarantined import Tally, follow
from speed_layer.monitoring.standing import Row, ground_of
from speed_layer.positions import Positions

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from lambda_core.context import RunContext
    from lambda_core.views.pointer import Pointer
    from speed_layer.monitoring.standing import Ground

T = TypeVar("T")

COUNT_S = 10.0
"""How long quarantined records may be counted where no process has left how many there are."""
SCORES_SCOPE = "scores"


class Process(msgspec.Struct, frozen=True):
    """A process that was heard of. lives: whether its figures are new; waits_for: why it does nothing."""

    worker: str
    instance: str
    heard_ms: int
    lives: bool
    waits_for: str = ""


class Status(msgspec.Struct, frozen=True):
    """Everything that is told.

    Attributes:
        generation, epoch: of the current view; None while none is published.
        held: whether Redis holds the epoch in full. caught_up: whether it has, if it was started again, all updates again.
        rows: see `standing`.
        quarantine_whole: whether all quarantined records were counted; else there are more.
        findings: sentences about what stands still or is missing, each with what to do.
    """

    project: str
    at_ms: int
    generation: str | None = None
    epoch: str | None = None
    held: bool = False
    caught_up: bool = True
    processes: list[Process] = []
    rows: list[Row] = []
    quarantine_whole: bool = True
    findings: list[str] = []


def speed_status(context: RunContext, ground: Ground | None = None) -> Status:
    """Return how the speed layer of the context's project fares.

    Raises:
        KafkaError: when the broker is away.
    """
    asked = _Asking(context, ground or ground_of(context))
    heard = asked.of_redis(asked.heard) or []
    pointer = asked.of_redis(asked.pointer)
    tally = asked.of_topics(lambda: asked.tally(heard)) or Tally()
    rows = asked.of_topics(lambda: asked.ground.query(tally)) or []
    rows += asked.of_topics(asked.ground.raw) or []
    rows += asked.of_topics(asked.ground.scores) or []
    if not asked.redis_is_away:
        rows += asked.of_topics(lambda: asked.merge(pointer, heard)) or []
        rows += asked.of_topics(lambda: asked.score(heard)) or []
    found = Status(
        project=context.project.project,
        at_ms=context.clock.now_ms(),
        generation=pointer.current.generation if pointer else None,
        epoch=pointer.current.epoch if pointer else None,
        held=pointer is not None and bool(asked.of_redis(lambda: asked.is_held(pointer))),
        caught_up=pointer is None or bool(asked.of_redis(lambda: asked.is_caught_up(pointer))),
        processes=[_process(one) for one in heard],
        rows=rows,
        quarantine_whole=tally.whole,
    )
    return msgspec.structs.replace(found, findings=[*asked.told, *findings(context, found, asked.redis_is_away)])


class _Asking:
    """Asks servers, and goes on without what they do not tell.

    Attributes:
        told: sentences of what was not told.
    """

    def __init__(self, context: RunContext, ground: Ground) -> None:
        self.context, self.ground = context, ground
        self.told: list[str] = []
        self.redis_is_away = False

    @property
    def redis(self) -> redis.Redis:
        return self.context.redis

    def of_redis(self, ask: Callable[[], T]) -> T | None:
        """Return what Redis tells; None while it is away, and it is not asked again then."""
        try:
            return None if self.redis_is_away else ask()
        except StoreError as error:
            self.redis_is_away = True
            self.told.append(str(error))
            return None

    def of_topics(self, ask: Callable[[], T]) -> T | None:
        """Return what is told of topics; None where one does not exist."""
        try:
            return ask()
        except PositionError as error:
            self.told.append(
                f"{error}; `mainstem speed` makes the project's own topics, producers those of the sources"
            )
            return None

    def heard(self) -> list[Heard]:
        return FiguresStore(self.redis, self.context.keys).heard()

    def pointer(self) -> Pointer | None:
        return PointerRepository(self.redis, self.context.keys).get()

    def is_held(self, pointer: Pointer) -> bool:
        return marks_of(self.redis, self.context.keys).holds(pointer.current.epoch, pointer.current.generation)

    def is_caught_up(self, pointer: Pointer) -> bool:
        return CaughtUp(self.redis, self.context.keys).holds(pointer.current.epoch)

    def tally(self, heard: list[Heard]) -> Tally:
        """Return what is quarantined: what the queries' process counted, and what has come since."""
        left = [one.figures.quarantined for one in heard if one.figures and one.figures.quarantined]
        place = topic(self.context.project.project, QUARANTINE)
        return follow(self.context.environment.kafka, self.ground.topics, place, left[0] if left else Tally(), COUNT_S)

    def merge(self, pointer: Pointer | None, heard: list[Heard]) -> list[Row]:
        """Return where the merge worker stands in the current view's epoch, and in that of a previous definition."""
        if pointer is None:
            return []
        epochs = [pointer.current.epoch]
        if pointer.previous and pointer.previous.definition_id != pointer.current.definition_id:
            epochs.append(pointer.previous.epoch)
        place = topic(self.context.project.project, UPDATES)
        return [row for epoch in epochs for row in self._worker("merge", epoch, place, epoch, heard)]

    def score(self, heard: list[Heard]) -> list[Row]:
        """Return where the scoring worker stands; nothing where the project has no models."""
        place = topic(self.context.project.project, REQUESTS)
        return self._worker("score", "", place, SCORES_SCOPE, heard) if self.context.project.models else []

    def _worker(self, worker: str, name: str, place: str, scope: str, heard: list[Heard]) -> list[Row]:
        partitions = sorted(self.ground.topics.begins(place))
        own = Positions(self.context.keys, self.ground.topics, place)
        kept = self.of_redis(lambda: own.kept(self.redis, scope, partitions)) or {}
        positions = {partition: kept.get(partition) for partition in partitions}
        rows = self.ground.rows(worker, name, place, positions)
        return [msgspec.structs.replace(row, figures=summed(worker, row.partition, heard)) for row in rows]


def summed(worker: str, partition: int, heard: list[Heard]) -> PartitionFigures | None:
    """Return what all living workers measured of a partition; None where none reads it.

    Outcomes are added up; freshness is that of the worker that was done last.
    """
    every = [one.figures.partitions.get(partition) for one in heard if one.worker == worker and one.figures]
    own = [one for one in every if one is not None and one.position is not None]
    if not own:
        return None
    outcomes: Counter[str] = Counter()
    for one in own:
        outcomes.update(one.outcomes)
    last = max(own, key=lambda one: one.done_ms or 0)
    return msgspec.structs.replace(last, outcomes=dict(outcomes))


def _process(one: Heard) -> Process:
    waits_for = one.figures.waits_for if one.figures else ""
    return Process(one.worker, one.instance, one.at_ms, one.figures is not None, waits_for)
