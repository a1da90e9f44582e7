"""A worker's connection to Redis that broke stays broken, so that no restart of the server goes unnoticed.

And a server that is not there is named, with what to do.
"""

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from lambda_core.errors import PositionError, StoreError
from lambda_core.repositories.log import KafkaTopics, consumer, producer
from lambda_core.repositories.store import answering, connect
from lambda_core.views.keyspace import Keyspace
from speed_layer.connection import open_once, process_id
from speed_layer.consuming import KafkaRecordLog
from speed_layer.positions import Positions
from tests.integration.kafka_topics import delete_topic


@pytest.mark.servers
def test_an_idle_connection_that_broke_is_an_error_and_not_mended_behind_the_workers_back(store):
    client, other = open_once(store.url), connect(store.url)
    own = client.client_id()
    other.client_kill_filter(_id=own)
    for _ in range(2):
        with pytest.raises(StoreError, match=r"connection broke|cannot be reached"), answering(client):
            client.get("any")
    assert process_id(open_once(store.url)) == process_id(other)


@pytest.mark.servers
def test_a_topic_that_was_made_again_under_its_name_is_refused(broker, store):
    topics, client = KafkaTopics(broker.address), connect(store.url)
    positions = Positions(Keyspace("again"), topics, "again.updates")
    topics.create({"again.updates": 1})
    positions.check_topic(client)
    positions.check_topic(client)
    delete_topic(broker.address, "again.updates")
    topics.create({"again.updates": 1})
    with pytest.raises(PositionError, match="made again"):
        positions.check_topic(client)


@pytest.mark.servers
def test_a_topic_that_is_deleted_while_it_is_asked_for_is_not_there_and_no_error(broker):
    names = [f"deleted.{turn}" for turn in range(20)]
    topics, admin = KafkaTopics(broker.address), AdminClient({"bootstrap.servers": broker.address})
    topics.create(dict.fromkeys(names, 1))
    assert set(topics.ids(names)) == set(names)
    with ThreadPoolExecutor(1) as pool:
        deleting = pool.submit(lambda: [admin.delete_topics([name])[name].result() for name in names])
        while topics.ids(names):
            time.sleep(0)
        deleting.result()


@pytest.mark.servers
def test_offsets_are_told_by_time_and_none_where_nothing_is_newer(broker):
    topics = KafkaTopics(broker.address)
    topics.create({"times.t": 2})
    log = producer(broker.address)
    for moment_ms in (1_000, 2_000, 3_000):
        log.produce("times.t", b"x", partition=0, timestamp=moment_ms)
    log.flush()
    assert topics.at_time("times.t", 2_000) == {0: 1, 1: None}
    assert topics.at_time("times.t", 3_001) == {0: None, 1: None}
    assert (topics.begins("times.t"), topics.ends("times.t")) == ({0: 0, 1: 0}, {0: 3, 1: 0})
    assert set(topics.ids(["times.t", "no.such"])) == {"times.t"}


@pytest.mark.servers
def test_an_offset_past_the_end_is_an_error_and_never_the_latest(broker):
    KafkaTopics(broker.address).create({"past.t": 1})
    log = KafkaRecordLog(broker.address, "past.t")
    log.seek({0: 7})
    with pytest.raises(PositionError, match=r"past\.t, partition 0: .* rebuild"):
        any(log.poll(10, 0.1) for _ in range(100))
    log.close()
    assert consumer(broker.address, "past.t", {0: 0}).consume(1, 0.1) == []


@pytest.mark.servers
@pytest.mark.parametrize(("away", "said"), [("REDIS_URL", "Redis"), ("KAFKA_BOOTSTRAP_SERVERS", "Kafka")])
def test_a_server_that_is_away_is_named_with_what_to_do(broker, store, tmp_path, away: str, said: str):
    servers = {"REDIS_URL": store.url, "KAFKA_BOOTSTRAP_SERVERS": broker.address}
    nobody = {"REDIS_URL": "redis://127.0.0.1:1/0", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}[away]
    ran = subprocess.run(
        [sys.executable, "-m", "jobs.merge"],
        cwd=Path(__file__).parents[3],
        env={**os.environ, **servers, "MAINSTEM_STATE": str(tmp_path), away: nobody},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )

    assert ran.returncode == 2
    assert said in ran.stderr
    assert "127.0.0.1:1" in ran.stderr
    assert "What to do:" in ran.stderr
    assert "Traceback" not in ran.stderr
