"""What a new epoch asks of the log: that it still holds all that belongs in it, and that it was read to its end."""

from __future__ import annotations

import uuid

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from batch_layer.publishing.filling import ForSeconds, await_filled, refuse_short_log
from lambda_core.errors import GuardError
from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.repositories.memory_topics import MemoryTopics
from lambda_core.schemas.messages import UPDATES, topic
from lambda_core.views.pointer import Published
from tests.integration.batch_layer import shop

pytestmark = pytest.mark.servers
HOUR_MS = shop.HOUR_MS


@pytest.fixture
def context(tmp_path, broker, store):
    settings = shop.plain(shop.new_name())
    settings["sources"]["orders"] |= {"unique_key": ["id"], "duplicate_horizon": "2h"}
    return shop.context_of(None, tmp_path, settings, store=store, broker=broker)


@pytest.fixture
def updates(context) -> str:
    """The updates topic, of one partition, with three records that were appended an hour apart."""
    name = topic(context.project.project, UPDATES)
    write(context.environment.kafka, name, [shop.T0 + hour * HOUR_MS for hour in (10, 11, 12)])
    return name


def write(servers: str, name: str, append_ms: list[int]) -> None:
    KafkaTopics(servers).create({name: 1})
    client = producer(servers)
    for number, moment_ms in enumerate(append_ms):
        client.produce(name, str(number), partition=0, timestamp=moment_ms)
    assert client.flush(10) == 0


def forget(servers: str, name: str, before: int) -> None:
    """Delete a partition's records before an offset, as retention does."""
    admin = AdminClient({"bootstrap.servers": servers})
    for deleted in admin.delete_records([TopicPartition(name, 0, before)]).values():
        deleted.result()


def view(context, hour: int) -> Published:
    return Published("g1", shop.T0 // HOUR_MS + hour, f"{context.definition.id}.0", {}, 0)


def test_a_log_that_reaches_back_to_the_horizon_and_its_copies_will_do(context, updates):
    topics = KafkaTopics(context.environment.kafka)
    assert topics.oldest(updates) == {0: None}
    refuse_short_log(context, topics, view(context, 0))

    forget(context.environment.kafka, updates, 1)

    assert topics.oldest(updates) == {0: shop.T0 + 11 * HOUR_MS}
    refuse_short_log(context, topics, view(context, 14))  # two hours for copies, and a minute for clocks


def test_a_log_that_lost_what_the_epoch_has_to_hold_is_refused(context, updates):
    forget(context.environment.kafka, updates, 1)

    with pytest.raises(
        GuardError, match=rf"{updates}/0 .* found its oldest record appended at {shop.T0 + 11 * HOUR_MS}"
    ):
        refuse_short_log(context, KafkaTopics(context.environment.kafka), view(context, 13))


def test_a_partition_that_lost_everything_is_as_old_as_now(context, updates):
    forget(context.environment.kafka, updates, 3)

    with pytest.raises(GuardError, match="publish again once the horizon has passed that"):
        refuse_short_log(context, KafkaTopics(context.environment.kafka), view(context, 1_000))


def test_an_epoch_is_filled_once_all_partitions_were_read_to_where_they_ended(context, updates):
    topics, epoch = KafkaTopics(context.environment.kafka), f"{context.definition.id}.7"
    kept = context.keys.worker(f"{updates}@{epoch}", 0)
    assert not await_filled(context, topics, epoch, ForSeconds(0.2))

    context.redis.set(kept, 2)
    assert not await_filled(context, topics, epoch, ForSeconds(0.2))
    context.redis.set(kept, 3)

    assert await_filled(context, topics, epoch, ForSeconds(0.2))
    context.redis.delete(kept)


def test_where_no_update_was_ever_sent_nothing_is_waited_for(context):
    assert await_filled(context, MemoryTopics(), "e.0", ForSeconds(0.2))
    assert await_filled(context, None, "e.0", ForSeconds(0.2))


def test_records_stamped_before_a_moment_are_found_behind_an_offset(broker):
    name, topics = f"stamped_{uuid.uuid4().hex[:8]}", KafkaTopics(broker.address)
    write(broker.address, name, [100, 50, 300, 120, 90])

    assert topics.stamped_before(name, {0: 1}, 121) == [(0, 1, 50, b"1"), (0, 3, 120, b"3"), (0, 4, 90, b"4")]
    assert topics.stamped_before(name, {0: 5}, 1_000) == []
    assert len(topics.stamped_before(name, {}, 1_000)) == 5
