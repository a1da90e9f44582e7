"""All queries of one Spark application, until a signal or a failure ends them."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError

from lambda_core.cleaning import check_expressions
from lambda_core.errors import ServerError
from speed_layer.ingestion import start_raw_writers, start_score_writer
from speed_layer.monitoring import reporting_queries
from speed_layer.preparation.prepare import start_query
from speed_layer.stopping import stop_on_signals

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from threading import Event

    from pyspark.sql import SparkSession
    from pyspark.sql.streaming.query import StreamingQuery

    from lambda_core.context import RunContext

LOOK_S = 0.5
STOP_S = 20.0
"""How long queries may take to stop: with it, the process ends within half a minute of its signal."""


def run_queries(context: RunContext, stop: Event | None = None, *, raw_only: bool = False) -> None:
    """Run the query and the writers until SIGTERM, SIGINT, or `stop`.

    Args:
        context: names servers, folders and the project.
        stop: ends the run when set, in place of signals.
        raw_only: run the raw writers alone.

    Raises:
        ConfigError: when an expression of the project cannot work; no query was started.
        ServerError: when a query fails; it names the query and what Spark says.
    """
    session = context.spark  # started first: a session takes SIGINT for itself when it starts
    if not raw_only:
        check_expressions(session, context.project)
    ended = stop or stop_on_signals()
    waits = ["its queries start, which takes half a minute"]
    with reporting_queries(context, lambda: waits[0]), _stopped(context) as queries:
        if not raw_only:
            queries.append(start_query(context))
        queries.extend(start_raw_writers(context))
        scores = None if raw_only else start_score_writer(context)
        queries.extend([scores] if scores else [])
        context.log.info("queries start", names=[query.name for query in queries], master=session.sparkContext.master)
        runs = False
        while not ended.wait(LOOK_S):
            for query in queries:
                _refuse_failed(query)
            if not runs and all(_takes_records(session, query) for query in queries):
                runs, waits[0] = True, ""
                context.log.info("queries run", names=[query.name for query in queries])


@contextmanager
def _stopped(context: RunContext) -> Iterator[list[StreamingQuery]]:
    queries: list[StreamingQuery] = []
    try:
        yield queries
    finally:
        names = [query.name for query in queries]
        if _stop(queries):
            context.log.info("queries stopped", names=names)
        else:
            context.log.warning("queries wait for a server that is away: ended all the same", names=names)
            _halt(context.spark)


def _stop(queries: Sequence[StreamingQuery]) -> bool:
    """Stop all of them at once; tell whether they stopped in time.

    Spark asks the broker for offsets in calls that nothing interrupts, each for a minute while the broker is away.
    """
    pool = ThreadPoolExecutor(max(1, len(queries)), "stop")
    stopped, waiting = wait([pool.submit(query.stop) for query in queries], STOP_S)
    pool.shutdown(wait=False)
    for one in stopped:
        one.result()
    return not waiting


def _halt(session: SparkSession) -> None:
    """End the JVM without its hooks, which would wait as well: to the checkpoints it is one more kill."""
    jvm: Any = session.sparkContext._jvm  # noqa: SLF001 - there is no public way
    with suppress(Py4JError, OSError):  # its last answer never comes
        jvm.java.lang.Runtime.getRuntime().halt(0)


def _takes_records(session: SparkSession, query: StreamingQuery) -> bool:
    """Tell whether a query has gone through a batch, or has a task in one, which in Real-Time Mode lasts long."""
    if query.lastProgress is not None:
        return True
    tracker = session.sparkContext.statusTracker()
    jobs = [tracker.getJobInfo(number) for number in tracker.getJobIdsForGroup(str(query.runId))]
    stages = [tracker.getStageInfo(number) for job in jobs if job for number in job.stageIds]
    return any(stage.numActiveTasks for stage in stages if stage)


def _refuse_failed(query: StreamingQuery) -> None:
    if not query.isActive:
        said = str(query.exception()).partition("=== Streaming Query ===")[0].strip()
        raise ServerError(
            f"query {query.name}: expected it to run, found it ended: {said[:2_000]}; its checkpoint keeps its place: "
            "remove the cause, then start it again"
        )
