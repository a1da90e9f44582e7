"""The one streaming query: all source topics of the project to updates, requests and quarantine.

Real-Time Mode or micro-batches is a trigger of this query, not another path. In Real-Time Mode a query is stateless and
may project, explode, join by broadcast, and unite different topics; each topic is read once.
"""

from __future__ import annotations

from functools import reduce
from typing import TYPE_CHECKING, Any

from lambda_core.cleaning import clean, read_fields, read_references
from lambda_core.errors import ConfigError
from lambda_core.features.windows import parse_duration
from lambda_core.repositories.log import NEVER_MS, KafkaTopics
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, SCORES, UPDATES, topic
from lambda_core.spark import side_by_side
from speed_layer.checkpoint import QUERY, claim
from speed_layer.preparation.outputs import messages
from speed_layer.topics import read_topic, source_topics

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.query import StreamingQuery

    from lambda_core.context import RunContext

_MIN_REALTIME_MS = 5_000
_SINK = {
    # The order of an entity's updates in the topic must be that of its offsets: no record may overtake another, and
    # none may be given up while a later one is sent. Waiting is the back-pressure.
    "enable.idempotence": "true",
    "acks": "all",
    "retries": str(NEVER_MS),
    "delivery.timeout.ms": str(NEVER_MS),
    "max.block.ms": str(2**63 - 1),
    # Two milliseconds of records a request: a request each would cost the broker more than the records do.
    "linger.ms": "2",
}


def start_query(context: RunContext) -> StreamingQuery:
    """Start the query from its checkpoint, or from the topics' begin where it has none.

    Raises:
        ConfigError: when a topic is missing, the trigger or the number of slots cannot work, or the checkpoint is of
            another definition.
        PositionError: when the checkpoint is of another topic of the same name.
        KafkaError: when the broker is away.
    """
    settings, sources = context.environment, source_topics(context.project, "event")
    topics = KafkaTopics(settings.kafka)
    create_own_topics(context)
    trigger = parse_trigger(settings.speed.trigger)
    ids = topics.ids(sorted(set(sources.values())))
    _refuse_missing(context, sources, ids)
    if "realTime" in trigger:
        _refuse_few_slots(context, sum(len(topics.ends(name)) for name in sources.values()))
    checkpoint = settings.checkpoints / QUERY
    claim(checkpoint, context.definition.id, ids)
    references = _held_references(context, sources)
    frames = [_of_source(context, name, source_topic, references) for name, source_topic in sources.items()]
    writer = reduce(lambda left, right: left.unionByName(right), frames).writeStream.format("kafka")
    for key, value in {"bootstrap.servers": settings.kafka, **_SINK}.items():
        writer = writer.option(f"kafka.{key}", value)
    context.log.info("query starts", topics=sorted(ids), definition=context.definition.id, **trigger)
    return (
        writer.option("checkpointLocation", str(checkpoint))
        .outputMode("update")
        .queryName(QUERY)
        .trigger(**trigger)
        .start()
    )


def create_own_topics(context: RunContext) -> None:
    """Make sure that the project's own topics exist."""
    kinds = (UPDATES, REQUESTS, QUARANTINE, SCORES)
    partitions = context.environment.speed.topic_partitions
    names = [topic(context.project.project, kind) for kind in kinds]
    KafkaTopics(context.environment.kafka).create(dict.fromkeys(names, partitions))


def parse_trigger(text: str) -> dict[str, Any]:
    """Return the trigger as Spark takes it.

    Raises:
        ConfigError: when the text is no trigger.

    Example:
        >>> parse_trigger("realtime 30 seconds"), parse_trigger("2s")
        ({'realTime': '30000 milliseconds'}, {'processingTime': '2000 milliseconds'})
    """
    word, _, rest = text.partition(" ")
    mode, duration = ("realTime", rest) if word == "realtime" else ("processingTime", text)
    try:
        length_ms = parse_duration(duration)
    except ValueError as error:
        raise ConfigError(
            f"speed.trigger: expected 'realtime 30 seconds' or a duration such as '1 second', found {text!r}"
        ) from error
    if mode == "realTime" and length_ms < _MIN_REALTIME_MS:
        raise ConfigError(f"speed.trigger: expected at least 5 seconds between checkpoints, found {text!r}")
    return {mode: f"{length_ms} milliseconds"}


def _held_references(context: RunContext, sources: Iterable[str]) -> dict[str, DataFrame]:
    """Return what lookups join, read once: the definition pins it, and a query plans anew at every checkpoint."""
    joined = read_references(context, *sources)
    held = side_by_side(context, lambda frame: frame.localCheckpoint(), joined.values())
    return dict(zip(joined, held, strict=True))


def _of_source(context: RunContext, source_name: str, source_topic: str, references: dict[str, DataFrame]) -> DataFrame:
    source = context.project.sources[source_name]
    records = read_topic(context, source_topic)
    cleaned = clean(context.project, source_name, read_fields(source, records), references)
    return messages(context.definition, source_name, cleaned)


def _refuse_missing(context: RunContext, sources: dict[str, str], ids: dict[str, str]) -> None:
    if not sources:
        raise ConfigError(
            "sources: expected one of kind event with a `topic`, found none; the speed layer reads topics"
        )
    for name, source_topic in sources.items():
        if source_topic not in ids:
            raise ConfigError(
                f"sources.{name}.topic: expected {source_topic} at Kafka {context.environment.kafka}, found none; create "
                "it with as many partitions as its producers need (`mainstem topics`), or correct the name"
            )


def _refuse_few_slots(context: RunContext, partitions: int) -> None:
    """In Real-Time Mode every partition keeps a task slot for the whole batch; other jobs need some too."""
    found, needed = context.spark.sparkContext.defaultParallelism, partitions + 2
    if found < needed:
        raise ConfigError(
            f"spark.streaming_master: expected at least {needed} task slots (one a source partition, and two), found "
            f"{found}; set it to local[{needed}], or trigger the query by a duration"
        )
