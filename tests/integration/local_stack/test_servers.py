"""The servers of the local stack keep what they acknowledged, and leave no process behind."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import redis
from confluent_kafka import Consumer, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from local_stack.broker import Broker
from local_stack.ports import free_port
from local_stack.process import find
from local_stack.server import ServerError
from local_stack.stack import down, register, status, up
from local_stack.store import Store

pytestmark = pytest.mark.servers


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[Broker]:
    server = Broker(tmp_path / "broker", free_port())
    yield server
    server.kill()


@pytest.fixture
def own_store(tmp_path: Path) -> Iterator[Store]:
    server = Store(tmp_path / "store", free_port())
    yield server
    server.kill()


def produce(address: str, topic: str, value: bytes) -> None:
    admin = AdminClient({"bootstrap.servers": address})
    admin.create_topics([NewTopic(topic, num_partitions=1)])[topic].result(30)
    producer = Producer({"bootstrap.servers": address, "acks": "all"})
    producer.produce(topic, value)
    assert producer.flush(30) == 0


def first_value(address: str, topic: str) -> bytes | None:
    consumer = Consumer({"bootstrap.servers": address, "group.id": "reader", "auto.offset.reset": "earliest"})
    consumer.subscribe([topic])
    try:
        message = consumer.poll(30)
        return message.value() if message else None
    finally:
        consumer.close()


def test_a_killed_broker_has_its_records_after_a_restart_and_stops_without_a_trace(own_broker: Broker):
    own_broker.start()
    own_broker.wait_ready()
    produce(own_broker.address, "kept", b"record")

    own_broker.kill()
    own_broker.start()
    own_broker.wait_ready()

    assert first_value(own_broker.address, "kept") == b"record"
    pid = own_broker.pid
    own_broker.stop()
    assert not psutil.pid_exists(pid)
    assert "started" in own_broker.log.read_text(encoding="utf-8")


def test_a_killed_store_has_its_keys_after_a_restart_and_stops_without_a_trace(own_store: Store):
    own_store.start()
    own_store.wait_ready()
    with redis.Redis.from_url(own_store.url) as client:
        client.set("kept", "value")

    own_store.kill()
    own_store.start()
    own_store.wait_ready()

    with redis.Redis.from_url(own_store.url) as client:
        assert client.get("kept") == b"value"
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    pid = own_store.pid
    own_store.stop()
    assert not psutil.pid_exists(pid)


def test_a_port_that_is_taken_is_told_with_the_log(own_store: Store, tmp_path: Path):
    own_store.start()
    own_store.wait_ready()
    second = Store(tmp_path / "second", own_store.port)

    second.start()
    psutil.Process(second.pid).wait(10)

    with pytest.raises(ServerError, match="Address already in use"):
        second.wait_ready(5)


def test_the_stack_starts_once_and_ends_all_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", "elsewhere:9092")
    monkeypatch.delenv("REDIS_URL", raising=False)
    folder = tmp_path / "stack"

    try:
        addresses = up(folder)
        again = up(folder)
        worker = psutil.Popen(["sleep", "600"])
        register("worker", worker.pid, tmp_path / "worker.log", folder=folder)
        running = status(folder).running
    finally:
        ended = down(folder)

    assert addresses == again
    assert addresses.kafka_bootstrap_servers == "elsewhere:9092"
    assert [member.name for member in running] == ["store", "worker"]
    assert [member.name for member in ended] == ["worker", "store"]
    assert not any(find(member) for member in running)
    assert not folder.exists()
