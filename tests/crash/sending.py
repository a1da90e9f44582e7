"""Who sends: messages at a rate, from a thread of its own, each to its partition, and what the log made of them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from threading import Event, Thread
from typing import Self

import confluent_kafka as ck
from confluent_kafka.admin import AdminClient, NewTopic

from lambda_core.repositories.log import KafkaTopics, consumer, producer
from tests.crash.oracle import Placed, Sale
from tests.crash.project import PARTITIONS, TOPIC
from tests.crash.sales import BEACON, Message, Sales

_CREATE_S = 20


def create_topic(servers: str) -> None:
    """Make the topic, whose records get their time from the broker."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    topic = NewTopic(TOPIC, PARTITIONS, config={"message.timestamp.type": "LogAppendTime", "retention.ms": "-1"})
    admin.create_topics([topic], operation_timeout=_CREATE_S)[TOPIC].result()


class Sender:
    """Sends messages from `go_on` until it is told to pause or stop; a broker that is away is waited for.

    Attributes:
        sent: every value -> its sale, None for a broken one. times: value -> how often. kinds: message kind -> how many.
        beacon: told of each beacon that the log took: when it was sent (monotonic), partition, offset.
    """

    def __init__(self, servers: str, sales: Sales, rate: float) -> None:
        self._client, self._sales, self._rate = producer(servers), sales, rate
        self.sent: dict[bytes, Sale | None] = {}
        self.times: Counter[bytes] = Counter()
        self.kinds: Counter[str] = Counter()
        self.number = self.taken = 0
        self.beacon: Callable[[float, int, int], None] = lambda *_: None
        self._stop, self._goes = Event(), Event()
        self._thread = Thread(target=self._send, name="sender", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._goes.set()
        self._thread.join()
        self._client.flush(60)

    def pause(self) -> None:
        """Send nothing for now; return when the log has taken all that was sent."""
        self._goes.clear()
        end = time.monotonic() + 90
        time.sleep(0.1)
        while self._client.flush(1) and time.monotonic() < end:
            pass
        if self.taken != self.number:
            raise RuntimeError(f"sender: expected {self.number} messages taken, found {self.taken}")

    def go_on(self) -> None:
        """Send again."""
        self._goes.set()

    def _send(self) -> None:
        begin, done = time.monotonic(), 0
        while not self._stop.is_set():
            if not self._goes.is_set():
                self._goes.wait()
                begin, done = time.monotonic(), 0
                continue
            due = int((time.monotonic() - begin) * self._rate)
            for _ in range(due - done):
                self._one(self._sales.next())
            done = due
            self._client.poll(0.005)

    def _one(self, message: Message) -> None:
        now = time.monotonic()
        beacon = message.sale is not None and message.sale.customer == BEACON and message.kind == "sale"

        def taken(error: ck.KafkaError | None, place: ck.Message) -> None:
            if error is not None:
                raise ck.KafkaException(error)
            self.taken += 1
            if beacon:
                self.beacon(now, place.partition(), place.offset())

        self.sent[message.value] = message.sale
        self.times[message.value] += 1
        self.kinds[message.kind] += 1
        self.number += 1
        while True:
            try:
                self._client.produce(TOPIC, message.value, partition=message.partition, on_delivery=taken)
                return
            except BufferError:  # so much waits for the broker
                self._client.poll(0.5)


def placed(log: list[tuple[int, int, int, bytes]], sent: dict[bytes, Sale | None]) -> list[Placed]:
    """Return every record where the log put it; a value that nobody sent is an error."""
    return [Placed(partition, offset, append_ms, sent[value]) for partition, offset, append_ms, value in log]


def read(servers: str, topic: str) -> list[tuple[int, int, int, bytes]]:
    """Return every record of a topic: partition, offset, append time, value."""
    ends = KafkaTopics(servers).ends(topic)
    found = []
    with closing(consumer(servers, topic, dict.fromkeys(ends, 0))) as reading:
        while len(found) < sum(ends.values()):
            found += [
                (message.partition(), message.offset(), message.timestamp()[1], message.value())
                for message in reading.consume(10_000, timeout=1)
                if message.error() is None
            ]
    return found
