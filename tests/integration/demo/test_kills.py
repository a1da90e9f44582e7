"""What the demo counts in the topic of updates, on a real broker."""

import json

import pytest

from demo.kills import repeated_updates, updates_sent
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
