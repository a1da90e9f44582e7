"""A thread beside a process's work that leaves its figures in Redis now and then, and serves its metrics.

Nothing that it waits for keeps the work waiting: it has a connection of its own, and while Redis is away it tries again.
"""

from __future__ import annotations

from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Thread
from typing import TYPE_CHECKING

from lambda_core.errors import MainstemError, PositionError
from lambda_core.repositories.store import client_of
from lambda_core.schemas.messages import QUARANTINE, topic
from speed_layer.monitoring.figures import Figures, FiguresStore, instance, partition_figures
from speed_layer.monitoring.metrics import SpeedCollector, serve_metrics
from speed_layer.monitoring.quarantined import Tally, follow
from speed_layer.monitoring.standing import ground_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_core.context import RunContext
    from speed_layer.monitoring.measures import Measures
    from speed_layer.monitoring.standing import Row

EVERY_S = 2.0
_ANSWER_S = 1.0
_COUNT_S = 1.0
_END_S = 5.0


@contextmanager
def reporting_worker(context: RunContext, measures: Measures, topic_name: str, port: int | None) -> Iterator[None]:
    """Report what a worker measures while the block runs.

    Args:
        context: names the servers.
        measures: the worker's.
        topic_name: what it reads.
        port: where its metrics are served; None for nowhere.
    """
    ground, started_ms = ground_of(context), context.clock.now_ms()

    def rows() -> list[Row]:
        positions = {
            partition: own.position for partition, own in measures.by_partition().items() if own.position is not None
        }
        found = ground.rows(measures.worker, "", topic_name, positions)
        return [row for row in found if row.partition in positions]

    def figures() -> Figures:
        own, now_ms = partition_figures(measures), context.clock.now_ms()
        return Figures(measures.worker, instance(), started_ms, now_ms, measures.waits_for, own)

    with _reporting(context, figures, serve_metrics(port, SpeedCollector(rows, measures))):
        yield


@contextmanager
def reporting_queries(context: RunContext, waits_for: Callable[[], str]) -> Iterator[None]:
    """Report where the queries stand, and what was quarantined, while the block runs.

    Args:
        context: names servers and checkpoints.
        waits_for: says why they take no records yet; empty once they do.
    """
    ground, started_ms, tally = ground_of(context), context.clock.now_ms(), Tally()
    place = topic(context.project.project, QUARANTINE)

    def rows() -> list[Row]:
        return [*ground.query(tally), *ground.raw(), *ground.scores()]

    def figures() -> Figures:
        nonlocal tally
        with suppress(PositionError):  # the topic is made by the query, which may not have started, or never will
            tally = follow(context.environment.kafka, ground.topics, place, tally, _COUNT_S)
        now_ms = context.clock.now_ms()
        return Figures("speed", instance(), started_ms, now_ms, waits_for(), quarantined=tally)

    end = serve_metrics(context.environment.speed.query_metrics_port, SpeedCollector(rows))
    with _reporting(context, figures, end):
        yield


@contextmanager
def _reporting(context: RunContext, figures: Callable[[], Figures], end_metrics: Callable[[], None]) -> Iterator[None]:
    ended = Event()
    client = client_of(context.environment.redis.get_secret_value(), _ANSWER_S, retries=0)
    store = FiguresStore(client, context.keys)
    thread = Thread(target=partial(_report, context, store, figures, ended), name="figures", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        end_metrics()
        thread.join(_END_S)
        client.close()


def _report(context: RunContext, store: FiguresStore, figures: Callable[[], Figures], ended: Event) -> None:
    left: Figures | None = None
    while not ended.is_set():
        try:
            left = figures()
            store.leave(left)
        except MainstemError as error:
            context.log.debug("figures not left", reason=str(error))
        ended.wait(EVERY_S)
    try:
        if left is not None:
            store.withdraw(left.worker, left.instance)
    except MainstemError as error:
        context.log.debug("figures not taken away", reason=str(error))
