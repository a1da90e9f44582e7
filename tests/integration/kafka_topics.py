"""What tests do to topics beside the product, which deletes none."""

from __future__ import annotations

import tenacity
from confluent_kafka.admin import AdminClient

from lambda_core.repositories.log import KafkaTopics

GONE_S = 60


def delete_topic(servers: str, name: str) -> None:
    """Delete a topic; return when the broker no longer knows it, which is a moment after it says so."""
    admin = AdminClient({"bootstrap.servers": servers})  # it has to outlive what it is asked
    admin.delete_topics([name], operation_timeout=20)[name].result()
    gone = tenacity.Retrying(
        retry=tenacity.retry_if_result(bool), stop=tenacity.stop_after_delay(GONE_S), wait=tenacity.wait_fixed(0.05)
    )
    gone(KafkaTopics(servers).ids, [name])
