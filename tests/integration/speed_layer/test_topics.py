"""The sources' topics: made where they are missing, and told where their producers stamp the records."""

from __future__ import annotations

import uuid

from lambda_core.repositories.log import KafkaTopics
from lambda_core.repositories.source_topics import create_missing, stamped_by_producers


def test_a_missing_topic_is_made_stamped_by_the_broker_and_another_one_is_left_as_it_is_and_told(broker):
    old, new = (f"topics{uuid.uuid4().hex[:8]}.{name}" for name in ("old", "new"))
    topics = KafkaTopics(broker.address)
    topics.create({old: 1})

    assert create_missing(broker.address, [old, new], partitions=3) == [new]
    assert create_missing(broker.address, [old, new], partitions=3) == []

    assert stamped_by_producers(broker.address, [old, new]) == [old]
    assert {name: len(topics.ends(name)) for name in (old, new)} == {old: 1, new: 3}
