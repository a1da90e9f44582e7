"""The topics that sources are read from: whose clock stamps their records, and making those that are missing.

Events are cut into periods by append time, so the broker should stamp a record when it appends it (`LogAppendTime`). By
Kafka's default producers stamp it, whose clocks may differ and whose replays are old.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from confluent_kafka.admin import AdminClient, ConfigResource, ResourceType  # type: ignore[attr-defined]

from lambda_core.repositories.log import KafkaTopics, kafka_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

_STAMPING, _BROKER = "message.timestamp.type", "LogAppendTime"
_ANSWER_S = 10.0


def create_missing(servers: str, names: Sequence[str], partitions: int) -> list[str]:
    """Make those of the topics that do not exist, stamped by the broker; return them.

    Raises:
        KafkaError: when the broker is away or refuses.
    """
    topics = KafkaTopics(servers)
    there = topics.ids(names)
    missing = [name for name in names if name not in there]
    topics.create(dict.fromkeys(missing, partitions), {_STAMPING: _BROKER})
    return missing


def stamped_by_producers(servers: str, names: Sequence[str]) -> list[str]:
    """Return those of the topics, all of which exist, whose records carry the time that their producers say.

    Raises:
        KafkaError: when the broker is away or refuses.
    """
    if not names:
        return []
    with kafka_errors(servers):
        wanted = {name: ConfigResource(ResourceType.TOPIC, name) for name in names}
        client = AdminClient({"bootstrap.servers": servers, "log_level": 0})  # ends with its last reference
        asked = client.describe_configs(list(wanted.values()))
        told = {resource.name: future.result(_ANSWER_S) for resource, future in asked.items()}
    return [name for name in names if told[name][_STAMPING].value != _BROKER]
