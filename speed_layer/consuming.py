"""A topic of the project's own as the workers read it: explicit partitions and positions, no consumer group."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import confluent_kafka as ck

from lambda_core.errors import KafkaError, PositionError
from lambda_core.repositories.log import consumer, kafka_errors
from speed_layer.worker import Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_PASSING = (ck.KafkaError._PARTITION_EOF, ck.KafkaError._TRANSPORT, ck.KafkaError._ALL_BROKERS_DOWN)  # noqa: SLF001
"""What the client itself recovers from: it goes on fetching at the same position."""


class KafkaRecordLog:
    """Reads partitions of one topic; every `seek` is a new assignment at explicit offsets."""

    def __init__(self, servers: str, topic: str) -> None:
        self._servers = servers
        self._topic = topic
        self._client: Any = None

    def seek(self, positions: Mapping[int, int]) -> None:
        """Go to these next offsets; what was fetched before is thrown away."""
        self.close()
        with kafka_errors(self._servers):
            self._client = consumer(self._servers, self._topic, positions)

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Return what has come; wait at most `wait_s` for the first record, and for no other.

        Raises:
            PositionError: when an offset is no longer, or not yet, in the log.
            KafkaError: when the broker refuses.
        """
        first = self._client.poll(wait_s)
        if first is None:
            return []
        messages = [first, *(self._client.consume(limit - 1, 0) if limit > 1 else ())]
        return [self._record(message) for message in messages if not self._is_passing(message)]

    def lag(self, positions: Mapping[int, int]) -> int:
        """Return how many records lie between these next offsets and the ends that the last fetches saw."""
        return sum(max(0, self._high(partition) - offset) for partition, offset in positions.items())

    def close(self) -> None:
        """Let go of the connection; nothing is committed."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _high(self, partition: int) -> int:
        _, high = self._client.get_watermark_offsets(ck.TopicPartition(self._topic, partition), cached=True)
        return int(high)

    def _record(self, message: Any) -> Record:
        error = message.error()
        if error is None:
            return Record(message.partition(), message.offset(), message.value() or b"")
        if error.code() in {ck.KafkaError._AUTO_OFFSET_RESET, ck.KafkaError.OFFSET_OUT_OF_RANGE}:  # noqa: SLF001
            raise PositionError(
                f"topic {self._topic}, partition {message.partition()}: expected the next offset in the log, found: "
                f"{error.str()}; its records are gone or it was made again: rebuild the speed view from the raw tables"
            )
        raise KafkaError(f"topic {self._topic} at {self._servers}: {error.str()}; check KAFKA_BOOTSTRAP_SERVERS")

    @staticmethod
    def _is_passing(message: Any) -> bool:
        return message.error() is not None and message.error().code() in _PASSING
