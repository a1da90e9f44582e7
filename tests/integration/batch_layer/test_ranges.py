"""A topic in ranges, beside the speed layer's raw writer: each position once, whoever brings it."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest

from batch_layer.ingestion import ingest
from batch_layer.ingestion.kafka_ranges import begin_of, spans_of
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.errors import PositionError
from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.repositories.raw_log import RawLog, log_rows
from tests.integration.kafka_topics import delete_topic


@pytest.fixture
def context(spark, broker, tmp_path: Path):
    name = f"ranges_{uuid.uuid4().hex[:8]}"
    source = {
        "kind": "reference",
        "topic": f"{name}.orders",
        "columns": {"id": {"type": "string"}},
        "unique_key": ["id"],
    }
    project = Project.model_validate(
        {"project": name, "sources": {"orders": {**source, "ranges": {"most_records": 4}}}}
    )
    made = assemble(project, Environment(state=tmp_path, data=tmp_path, kafka=broker.address))
    made.builders["spark"] = lambda _: spark
    KafkaTopics(broker.address).create({f"{name}.orders": 2})
    return made


def send(context, *values):
    """Send each value to both partitions."""
    sending = producer(context.environment.kafka)
    for value in values:
        for partition in (0, 1):
            sending.produce(topic_of(context), value, partition=partition)
    assert sending.flush(20) == 0


def topic_of(context):
    return context.project.sources["orders"].topic


def raw(context):
    rows = context.tables.read("raw_orders").collect()
    return sorted((row["partition"], row["offset"], bytes(row["value"])) for row in rows)


def written_by_the_stream(context, log, batch, begin):
    """What the raw writer of the speed layer does with a batch of all records of the topic from an offset on."""
    frame = context.spark.read.format("kafka").options(
        **{"kafka.bootstrap.servers": context.environment.kafka, "subscribe": topic_of(context)}
    )
    records = frame.load().selectExpr("value", "`partition`", "`offset`", "unix_millis(timestamp) as append_time_ms")
    records = records.where(f"`offset` >= {begin}")
    log.append(log_rows(records, topic_of(context), f"log-{batch}", 7), ("writer", batch))


def test_ranges_and_the_stream_bring_each_position_once_in_any_order(context):
    send(context, b"a", b"\xff{", b"c")
    first, nothing = ingest(context), ingest(context)
    log = RawLog(context, "orders")
    written_by_the_stream(context, log, 0, begin=0)
    send(context, b"d")
    written_by_the_stream(context, log, 1, begin=3)
    send(context, b"e")
    last, whole = ingest(context), ingest(context, full=True)

    assert raw(context) == [(p, n, value) for p in (0, 1) for n, value in enumerate([b"a", b"\xff{", b"c", b"d", b"e"])]
    assert [report.rows for report in first.batches] == [4, 2]
    assert (nothing.batches, last.rows_added, whole.rows_added) == ((), 2, 0)
    row = context.tables.read("raw_orders").where("batch_id like 'orders-%'").first()
    assert (row["origin"], row["format"], row["place"]) == ("log", "json", topic_of(context))
    assert row["append_time_ms"] > 1_700_000_000_000


def test_a_topic_that_was_made_again_is_refused_since_its_positions_mean_other_records(context):
    send(context, b"a")
    ingest(context)
    delete_topic(context.environment.kafka, topic_of(context))
    topics = KafkaTopics(context.environment.kafka)
    topics.create({topic_of(context): 2})

    with pytest.raises(PositionError, match="it was made again"):
        ingest(context)


def test_records_that_are_gone_before_they_were_read_are_told():
    assert begin_of("t", {0: 5}, {0: 5, 1: 2}) == {0: 5, 1: 2}
    with pytest.raises(PositionError, match="expected offset 5, which raw lacks, found that the log begins at 6"):
        begin_of("t", {0: 5}, {0: 6})


def test_ranges_are_cut_into_parts_that_cover_each_offset_once():
    spans = list(spans_of({0: (3, 20), 1: (0, 0), 2: (5, 6)}, 6))

    assert all(sum(end - begin for begin, end in span.values()) <= 6 for span in spans)
    assert [offset for span in spans if 0 in span for offset in range(*span[0])] == list(range(3, 20))
    assert [span[2] for span in spans if 2 in span] == [(5, 6)]
