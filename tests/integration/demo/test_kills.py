"""What the demo counts in the topic of updates, on a real broker."""

import json

import pytest

from demo.kills import UnderWay, repeated_updates, updates_sent
from lambda_core.repositories.log import KafkaTopics, producer

pytestmark = pytest.mark.servers


def test_updates_that_say_the_same_event_again_are_counted(broker):
    name = "kills.updates"
    KafkaTopics(broker.address).create({name: 2})
    assert (updates_sent(broker.address, name), repeated_updates(broker.address, name)) == (0, 0)

    sending = producer(broker.address)
    for group, entity, partition, offset in [("a", "x", 0, 1), ("a", "x", 0, 2), ("a", "y", 0, 1), ("a", "x", 0, 1)]:
        update = {"group": group, "entity": entity, "partition": partition, "offset": offset}
        sending.produce(name, json.dumps(update), key=entity)
    sending.flush()

    assert (updates_sent(broker.address, name), repeated_updates(broker.address, name)) == (4, 1)


def test_under_way_is_what_was_sent_since_the_newest_checkpoint(broker, tmp_path):
    name, commits = "kills.under_way", tmp_path / "commits"
    KafkaTopics(broker.address).create({name: 1})
    sending = producer(broker.address)

    def send():
        sending.produce(name, b"update")
        sending.flush()

    under_way = UnderWay(broker.address, name, tmp_path)
    assert not under_way()
    send()
    assert under_way()

    commits.mkdir()
    (commits / "0").touch()
    assert not under_way()
    assert not under_way()
    send()
    assert under_way()
