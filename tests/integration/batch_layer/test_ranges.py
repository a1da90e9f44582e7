"""A topic in ranges: parts that cover each offset once, and refusals where positions mean nothing."""

from __future__ import annotations

import uuid
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from batch_layer.ingestion import ingest
from batch_layer.ingestion.kafka_ranges import begin_of, spans_of
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.errors import PositionError
from lambda_core.repositories.log import KafkaTopics, producer


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


def test_a_topic_that_was_made_again_is_refused_since_its_positions_mean_other_records(context):
    send(context, b"a")
    ingest(context)
    admin = AdminClient({"bootstrap.servers": context.environment.kafka})
    admin.delete_topics([topic_of(context)], operation_timeout=20)[topic_of(context)].result()
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
