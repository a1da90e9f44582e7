"""The one Spark session of a run has Delta Lake and the Kafka connector, and reads what the broker holds."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

pytestmark = pytest.mark.servers


def test_a_topic_goes_through_spark_into_a_delta_table(spark, broker, tmp_path: Path):
    topic = "session-to-delta"
    admin = AdminClient({"bootstrap.servers": broker.address})
    admin.create_topics([NewTopic(topic, 1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": broker.address})
    producer.produce(topic, b"record")
    assert producer.flush(30) == 0
    table = str(tmp_path / "table")

    reader = spark.read.format("kafka").option("kafka.bootstrap.servers", broker.address).option("subscribe", topic)
    reader.load().selectExpr("CAST(value AS STRING) AS value").write.format("delta").save(table)

    assert [row.value for row in spark.read.format("delta").load(table).collect()] == ["record"]
    assert spark.conf.get("spark.sql.session.timeZone") == "UTC"
