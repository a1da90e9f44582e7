"""The source's topic in ranges: from where raw ends to where the topic ends now, at the positions that the log gave."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.ingestion.commit import BatchReport, commit, tell
from lambda_core.errors import PositionError
from lambda_core.repositories.log import KafkaTopics
from lambda_core.repositories.raw_log import RawLog, log_rows
from lambda_core.schemas.ids import batch_id, content_id
from lambda_core.schemas.tables import raw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext
    from lambda_core.repositories.log import Topics

Span = dict[int, tuple[int, int]]
"""Partition -> offsets `[begin, end)`."""


def ingest_ranges(context: RunContext, name: str, topics: Topics | None = None, *, full: bool) -> list[BatchReport]:
    """Bring what raw lacks of the source's topic, in steps whose order makes each position come once.

    1. Make sure that the topic is the one whose records raw has.
    2. Take the lock of the log part of raw, which its other writer takes too.
    3. Ask raw and the log for the offsets that lie between them; with `full`, all that the log has.
    4. Read and append them, at most `most_records` at a time; with `full`, without those that raw has.

    Raises:
        PositionError: when the topic is missing or was made again, or its next records are gone.
        KafkaError: when the broker does not answer.
    """
    source = context.project.sources[name]
    if source.topic is None or source.ranges is None:
        return []
    topics = topics or KafkaTopics(context.environment.kafka)
    topic_id = topics.ids([source.topic]).get(source.topic)
    if topic_id is None:
        raise PositionError(
            f"source {name}: expected the topic {source.topic}, found none; create it or start its producer"
        )
    log = RawLog(context, name)
    log.claim(source.topic, topic_id)
    with log.lock():
        begins, ends = topics.begins(source.topic), topics.ends(source.topic)
        starts = begins if full else begin_of(source.topic, log.positions(), begins)
        missing = {partition: (starts[partition], ends[partition]) for partition in ends}
        spans = list(spans_of(missing, source.ranges.most_records))
        return [_add(context, name, topic_id, span, full=full) for span in spans]


def begin_of(topic: str, known: Mapping[int, int], begins: Mapping[int, int]) -> dict[int, int]:
    """Return where each partition is read from: behind what raw has, or from its first record.

    Raises:
        PositionError: when records behind what raw has are gone from the log.
    """
    for partition, begin in begins.items():
        if partition in known and known[partition] < begin:
            raise PositionError(
                f"topic {topic}, partition {partition}: expected offset {known[partition]}, which raw lacks, found that the "
                f"log begins at {begin}: records are gone; restore them, or ingest with --full to go on without them"
            )
    return {partition: known.get(partition, begin) for partition, begin in begins.items()}


def spans_of(missing: Mapping[int, tuple[int, int]], most_records: int) -> Iterator[Span]:
    """Yield parts of the ranges, each of at most so many records (or one a partition), in the order of offsets.

    Example:
        >>> list(spans_of({0: (0, 5), 1: (7, 8)}, 4))
        [{0: (0, 2), 1: (7, 8)}, {0: (2, 4)}, {0: (4, 5)}]
    """
    share = max(1, most_records // max(1, len(missing)))
    left = {partition: span for partition, span in missing.items() if span[0] < span[1]}
    while left:
        part = {partition: (begin, min(begin + share, end)) for partition, (begin, end) in left.items()}
        yield part
        left = {
            partition: (part[partition][1], end) for partition, (_, end) in left.items() if part[partition][1] < end
        }


def _add(context: RunContext, name: str, topic_id: str, span: Span, *, full: bool) -> BatchReport:
    begin_ms, table = context.clock.now_ms(), raw(name)
    place = str(context.project.sources[name].topic)
    texts = [f"{partition}:{begin}-{end}" for partition, (begin, end) in sorted(span.items())]
    batch = batch_id(name, content_id("log", topic_id, *texts))
    records = _read(context, place, span)
    if full and context.tables.exists(table):
        known = context.tables.read(table).where(F.col("partition") >= 0).select("partition", "offset")
        records = records.join(known, ["partition", "offset"], "left_anti")
    before = _rows(context, table, batch)
    commit(context, table, log_rows(records, place, batch, context.clock.now_ms()), batch)
    rows = _rows(context, table, batch)
    return tell(context, BatchReport(name, place, batch, content_id(place), rows, added=rows > before), begin_ms)


def _read(context: RunContext, topic: str, span: Span) -> DataFrame:
    """Return the records of the ranges; one row a record. Records that are gone before they were read stop it."""
    bounds = [json.dumps({topic: {str(partition): ends[side] for partition, ends in span.items()}}) for side in (0, 1)]
    partitions = json.dumps({topic: sorted(span)})
    frame = (
        context.spark.read.format("kafka")
        .option("kafka.bootstrap.servers", context.environment.kafka)
        .option("assign", partitions)
        .option("startingOffsets", bounds[0])
        .option("endingOffsets", bounds[1])
        .option("failOnDataLoss", "true")
        .load()
    )
    return frame.selectExpr("value", "`partition`", "`offset`", "unix_millis(timestamp) as append_time_ms")


def _rows(context: RunContext, table: str, batch: str) -> int:
    if not context.tables.exists(table):
        return 0
    return context.tables.read(table).where(F.col("batch_id") == batch).count()
