"""The scoring worker: a plain consumer of the requests topic with explicit positions, until it is told to stop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.repositories.log import KafkaTopics
from lambda_core.schemas.messages import REQUESTS, SCORES, topic
from speed_layer.consuming import KafkaRecordLog
from speed_layer.monitoring import Measures, reporting_worker
from speed_layer.positions import Positions
from speed_layer.scoring.handling import ScoreHandler
from speed_layer.scoring.outbox import ScoreOutbox
from speed_layer.stopping import stop_on_signals
from speed_layer.worker import Worker, run_until

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence
    from threading import Event

    from lambda_core.context import RunContext

MAX_REQUESTS = 500
"""How many requests are answered together at most: the first one's score waits for the last one's."""


def run_score(context: RunContext, partitions: Sequence[int] | None = None, stop: Event | None = None) -> Counter[str]:
    """Answer requests with scores until SIGTERM, SIGINT, or `stop`; return how many came from which rung.

    Args:
        context: names the servers.
        partitions: which partitions of the requests topic to read; None for all. Two workers on one are no harm.
        stop: ends the run when set, in place of signals.

    Raises:
        KafkaError, StoreError: when a server is away at the start. Later on the worker waits for it.
        PositionError: when the log no longer has what comes next.
    """
    settings = context.environment
    name = topic(context.project.project, REQUESTS)
    topics = KafkaTopics(settings.kafka)
    own = (name, topic(context.project.project, SCORES))
    topics.create(dict.fromkeys(own, settings.speed.topic_partitions))
    outbox = ScoreOutbox(context, Positions(context.keys, topics, name, lambda: partitions))
    outbox.open()
    records = KafkaRecordLog(settings.kafka, name)
    measures = Measures("score", context.clock, context.log)
    handler = ScoreHandler(outbox, context.clock, measures, context.log, records.lag)
    worker = Worker(records, handler, min(settings.speed.max_batch, MAX_REQUESTS))
    try:
        with reporting_worker(context, measures, name, settings.speed.score_metrics_port):
            run_until(stop or stop_on_signals(), worker, context.log, measures.waits)
    finally:
        records.close()
    measures.say("scoring worker ends")
    return measures.totals
