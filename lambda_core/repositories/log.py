"""The log: Kafka's topics, positions and producers. Nothing here ever starts at the end of a topic by default."""

from __future__ import annotations

from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import confluent_kafka as ck
import tenacity
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

from lambda_core.clock import SystemClock
from lambda_core.errors import ConfigError, KafkaError, PositionError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

NEVER_MS = 2**31 - 1
"""The greatest time-out that Kafka's producers take: they wait rather than give up, so no record overtakes another."""
MAX_MESSAGE_BYTES = 1_000_000
"""What a broker takes by default, less the room that keys and headers need; greater records go to quarantine."""
GONE_MS = 6_000
"""After how long a member of a group that is not heard of counts as gone; the least that brokers allow by default."""
AWAY_MS = 30_000
"""After how long without a poll a member counts as gone, though its process is heard of."""
_HEARTBEAT_MS = 500
_LONGEST_MS = 24 * 3_600_000
"""How long one message may take whoever works on each for as long as a batch stage runs; the most that clients take."""
_ANSWER_S = 10.0
_POLL_S = 0.1
_QUIET = {"log_level": 0}
"""The client's own log is off: what it would say comes back as an error, and is said once, with what to do."""


LogRecord = tuple[int, int, int, bytes]
"""Partition, offset, append time in milliseconds and value of a record."""


class Topics(Protocol):
    """What is known of topics: their ids, partitions and offsets. Offsets are those of the next record to read."""

    def create(self, partitions: Mapping[str, int]) -> None:
        """Make sure that each topic exists with at least this many partitions."""
        ...

    def ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return topic -> id of those that exist; a topic made again under its name has another id."""
        ...

    def begins(self, topic: str) -> dict[int, int]:
        """Return partition -> offset of the first record kept."""
        ...

    def ends(self, topic: str) -> dict[int, int]:
        """Return partition -> offset that the next record will get, read uncommitted."""
        ...

    def at_time(self, topic: str, moment_ms: int) -> dict[int, int | None]:
        """Return partition -> offset of the first record appended at or after the moment; None where there is none."""
        ...

    def oldest(self, topic: str) -> dict[int, int | None]:
        """Return partition -> append time (ms) of the first record kept, where older ones are gone; None elsewhere."""
        ...

    def stamped_before(self, topic: str, positions: Mapping[int, int], moment_ms: int) -> list[LogRecord]:
        """Return the records from these offsets on (0 where none is given) whose append time lies before the moment."""
        ...


class KafkaTopics:
    """The topics of a Kafka cluster.

    Every method raises KafkaError, with the address and what to do, when the broker is away or refuses.
    """

    def __init__(self, servers: str, answer_s: float = _ANSWER_S) -> None:
        self._servers = servers
        self._answer_s = answer_s
        self._admin = AdminClient({"bootstrap.servers": servers, **_QUIET})

    def create(self, partitions: Mapping[str, int], settings: Mapping[str, str] | None = None) -> None:
        """Make sure that each topic exists with at least this many partitions; one that is made gets these settings.

        Raises:
            ConfigError: when a topic exists with fewer: adding partitions would break the order of its keys.
        """
        with kafka_errors(self._servers):
            existing = self._admin.list_topics(timeout=self._answer_s).topics
            own, new = dict(settings or {}), {name: n for name, n in partitions.items() if name not in existing}
            missing = [NewTopic(name, count, config=own) for name, count in new.items()]
            for future in self._admin.create_topics(missing).values() if missing else ():
                _unless(ck.KafkaError.TOPIC_ALREADY_EXISTS, future)
            if missing:
                self._wait_until_known(list(partitions))
        for name, count in partitions.items():
            found = len(existing[name].partitions) if name in existing else count
            if found < count:
                raise ConfigError(
                    f"topic {name} at {self._servers}: expected at least {count} partitions, found {found}; "
                    "more partitions mean a new topic in a new epoch, or set speed.topic_partitions to what is there"
                )

    def ids(self, topics: Sequence[str]) -> dict[str, str]:
        """Return topic -> id of those that exist."""
        if not topics:
            return {}
        with kafka_errors(self._servers):
            futures = self._admin.describe_topics(ck.TopicCollection(list(topics)), request_timeout=self._answer_s)
            found = {name: _unless(ck.KafkaError.UNKNOWN_TOPIC_OR_PART, future) for name, future in futures.items()}
        return {name: str(topic.topic_id) for name, topic in found.items() if topic is not None}

    def begins(self, topic: str) -> dict[int, int]:
        """Return partition -> offset of the first record kept."""
        return self._offsets(topic, OffsetSpec.earliest())  # type: ignore[no-untyped-call]

    def ends(self, topic: str) -> dict[int, int]:
        """Return partition -> offset that the next record will get, read uncommitted."""
        return self._offsets(topic, OffsetSpec.latest())  # type: ignore[no-untyped-call]

    def at_time(self, topic: str, moment_ms: int) -> dict[int, int | None]:
        """Return partition -> offset of the first record appended at or after the moment; None where there is none."""
        found = self._offsets(topic, OffsetSpec.for_timestamp(moment_ms))
        return {partition: None if offset < 0 else offset for partition, offset in found.items()}

    def oldest(self, topic: str) -> dict[int, int | None]:
        """Return partition -> append time (ms) of the first record kept, where older ones are gone; None elsewhere.

        A partition that lost all of its records is as old as now.
        """
        ends, found = self.ends(topic), dict[int, int | None]()
        for partition, begin in self.begins(topic).items():
            found[partition] = None if begin == 0 else self._append_ms(topic, partition, begin, ends[partition])
        return found

    def _append_ms(self, topic: str, partition: int, offset: int, end: int) -> int:
        if offset >= end:
            return SystemClock().now_ms()
        with kafka_errors(self._servers), closing(consumer(self._servers, topic, {partition: offset})) as reading:
            message = reading.poll(self._answer_s)
            if message is None or message.error() is not None:
                raise KafkaError(
                    f"topic {topic}/{partition} at {self._servers}: expected the record {offset}, found none"
                )
            return int(message.timestamp()[1])

    def stamped_before(self, topic: str, positions: Mapping[int, int], moment_ms: int) -> list[LogRecord]:
        """Return the records from these offsets on (0 where none is given) whose append time lies before the moment.

        Reads up to the ends that the partitions have now.
        """
        begins, ends = self.begins(topic), self.ends(topic)
        starts = {partition: max(begins[partition], positions.get(partition, 0)) for partition in ends}
        left = {partition for partition, end in ends.items() if starts[partition] < end}
        if not left:
            return []
        found: list[LogRecord] = []
        reading = consumer(self._servers, topic, {p: starts[p] for p in left}, tells_ends=True)
        with kafka_errors(self._servers), closing(reading):
            while left:
                for message in reading.consume(10_000, _POLL_S):
                    partition, offset = message.partition(), message.offset()
                    if _is_end(message) or offset >= ends[partition]:
                        left.discard(partition)
                    elif message.timestamp()[1] < moment_ms:
                        found.append((partition, offset, message.timestamp()[1], message.value() or b""))
        return found

    def _wait_until_known(self, topics: Sequence[str]) -> None:
        """Wait until the brokers tell of topics that were just made: they learn of them a moment later."""
        missing = tenacity.retry_if_result(lambda found: len(found) < len(topics))
        if not self._asking_again(missing, retry_error_callback=lambda _: {})(self.ids, topics):
            expected = f"expected the new topics {', '.join(topics)} within {self._answer_s:.0f} s"
            raise KafkaError(f"Kafka at {self._servers}: {expected}, found some missing; look at the broker's log")

    def _offsets(self, topic: str, spec: OffsetSpec) -> dict[int, int]:
        asking = self._asking_again(tenacity.retry_if_exception(_leader_changes), reraise=True)
        with kafka_errors(self._servers):
            found: dict[int, int] = asking(self._ask_offsets, topic, spec)
            return found

    def _asking_again(self, again: tenacity.retry_base, **at_the_end: Any) -> tenacity.Retrying:
        """Return a caller that asks again soon, for as long as an answer may take."""
        stop, wait = tenacity.stop_after_delay(self._answer_s), tenacity.wait_fixed(0.05)
        return tenacity.Retrying(retry=again, stop=stop, wait=wait, **at_the_end)

    def _ask_offsets(self, topic: str, spec: OffsetSpec) -> dict[int, int]:
        listed = self._admin.list_topics(topic, timeout=self._answer_s).topics[topic]
        if listed.error is not None:
            raise PositionError(f"topic {topic} at {self._servers}: expected it to exist, found: {listed.error.str()}")
        wanted = {ck.TopicPartition(topic, partition): spec for partition in listed.partitions}
        futures = self._admin.list_offsets(
            wanted, isolation_level=ck.IsolationLevel.READ_UNCOMMITTED, request_timeout=self._answer_s
        )
        return {place.partition: future.result().offset for place, future in futures.items()}


def producer(servers: str) -> Any:
    """Return a producer that keeps order, is acknowledged by all replicas, and never gives up."""
    settings = {"enable.idempotence": True, "acks": "all", "delivery.timeout.ms": NEVER_MS, "linger.ms": 0}
    return ck.Producer({"bootstrap.servers": servers, **settings, **_QUIET})


def consumer(servers: str, topic: str, positions: Mapping[int, int], *, tells_ends: bool = False) -> Any:
    """Return a consumer of exactly these partitions, each from its given offset; an offset that is gone is an error.

    One that tells ends has a message with an error where a partition's last record was read.
    """
    settings = {
        "group.id": f"mainstem.{topic}",  # demanded by the client; positions are never kept there
        "enable.auto.commit": False,
        "auto.offset.reset": "error",
        "fetch.wait.max.ms": 100,
        "queued.max.messages.kbytes": 16_384,
        "enable.partition.eof": tells_ends,
    }
    client = ck.Consumer({"bootstrap.servers": servers, **settings, **_QUIET})
    client.assign([ck.TopicPartition(topic, partition, offset) for partition, offset in positions.items()])
    return client


def member(servers: str, topic: str, assigned: Callable[..., None], revoked: Callable[..., None]) -> Any:
    """Return a member of the group of a topic's workers; nothing is ever committed.

    Its `poll` calls `assigned` with itself and its partitions, and `revoked` before they are shared anew.
    """
    settings = {
        "group.id": f"mainstem.{topic}.workers",
        "enable.auto.commit": False,
        "session.timeout.ms": GONE_MS,
        "heartbeat.interval.ms": _HEARTBEAT_MS,
        "max.poll.interval.ms": AWAY_MS,
    }
    with kafka_errors(servers):
        client = ck.Consumer({"bootstrap.servers": servers, **settings, **_QUIET})
        client.subscribe([topic], on_assign=assigned, on_revoke=revoked, on_lost=revoked)
    return client


def listener(servers: str, topic: str, group: str) -> Any:
    """Return a member of a group that shares a topic's messages; it keeps its positions there, when it is told to.

    A group that is new begins at the topic's first message.
    """
    settings = {
        "group.id": group,
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": GONE_MS,
        "heartbeat.interval.ms": _HEARTBEAT_MS,
        "max.poll.interval.ms": _LONGEST_MS,
        "fetch.wait.max.ms": 100,
    }
    with kafka_errors(servers):
        client = ck.Consumer({"bootstrap.servers": servers, **settings, **_QUIET})
        client.subscribe([topic])
    return client


@contextmanager
def kafka_errors(servers: str) -> Iterator[None]:
    """Turn the client's errors into KafkaError: where, what was found, what to do."""
    try:
        yield
    except ck.KafkaException as error:
        found = error.args[0].str() if error.args else str(error)
        raise KafkaError(
            f"Kafka at {servers}: expected an answer, found: {found}; "
            "start it (`mainstem up`) or correct KAFKA_BOOTSTRAP_SERVERS"
        ) from error


def _is_end(message: Any) -> bool:
    """Tell whether a message says that a partition was read to its end; any other error is raised."""
    error = message.error()
    if error is not None and error.code() != ck.KafkaError._PARTITION_EOF:  # noqa: SLF001
        raise ck.KafkaException(error)
    return error is not None


def _leader_changes(error: BaseException) -> bool:
    """Tell whether a partition has no leader at this moment, as right after its topic was made."""
    passing = (ck.KafkaError.NOT_LEADER_FOR_PARTITION, ck.KafkaError.LEADER_NOT_AVAILABLE)
    return isinstance(error, ck.KafkaException) and bool(error.args) and error.args[0].code() in passing


def _unless(code: int, future: Any) -> Any:
    """Return the answer, None where it is this error: asking first would race with whoever makes or deletes topics."""
    try:
        return future.result()
    except ck.KafkaException as error:
        if error.args[0].code() != code:
            raise
    return None
