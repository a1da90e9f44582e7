"""The merge worker: reads its share of the updates topic from explicit positions, until it is told to stop."""

from __future__ import annotations

from functools import partial
from threading import Event
from typing import TYPE_CHECKING

from lambda_core.repositories.log import KafkaTopics
from lambda_core.schemas.messages import UPDATES, topic
from speed_layer.connection import open_once
from speed_layer.consuming import KafkaRecordLog
from speed_layer.definitions import published_definition
from speed_layer.merging.handling import MergeHandler
from speed_layer.merging.target import RedisTarget
from speed_layer.monitoring import Measures, reporting_worker
from speed_layer.positions import Positions
from speed_layer.sharing import FixedShare, GroupShare, SharedHandler
from speed_layer.stopping import stop_on_signals
from speed_layer.worker import Worker, run_until

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Sequence

    from lambda_core.context import RunContext
    from speed_layer.sharing import Share


def run_merge(context: RunContext, partitions: Sequence[int] | None = None, stop: Event | None = None) -> Counter[str]:
    """Merge updates into Redis until SIGTERM, SIGINT, or `stop`; return how many records became what.

    Args:
        context: names the servers.
        partitions: which partitions of the updates topic to read, and no others; None to share all of them with every
            other worker that was given none. Two workers on one are no harm.
        stop: ends the run when set, in place of signals.

    Raises:
        KafkaError, StoreError: when a server is away at the start. Later on the worker waits for it.
        PositionError: when the log no longer has what comes next.
    """
    settings = context.environment
    name = topic(context.project.project, UPDATES)
    topics = KafkaTopics(settings.kafka)
    topics.create({name: settings.speed.topic_partitions})
    share: Share = GroupShare(settings.kafka, name) if partitions is None else FixedShare(partitions)
    target = RedisTarget(
        partial(open_once, settings.redis.get_secret_value()),
        Positions(context.keys, topics, name, lambda: share.own),
        lambda client, wanted: published_definition(context.project, client, context.keys, wanted),
    )
    records = KafkaRecordLog(settings.kafka, name)
    measures = Measures("merge", context.clock, context.log)
    handler = SharedHandler(MergeHandler(target, context.clock, measures, context.log, records.lag), share)
    worker = Worker(records, handler, settings.speed.max_batch)
    try:
        target.open()
        with reporting_worker(context, measures, name, settings.speed.merge_metrics_port):
            run_until(stop or stop_on_signals(), worker, context.log, measures.waits)
    finally:
        records.close()
        share.close()
    measures.say("merge worker ends")
    return measures.totals
