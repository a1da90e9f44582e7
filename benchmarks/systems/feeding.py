"""Sends events: at a steady rate with marked ones among them, or as fast as it can."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck

from benchmarks.systems.events import partition_of, record, shop_of

if TYPE_CHECKING:
    from collections.abc import Callable

TICK_S = 0.001
MARKS_A_SECOND = 25


def feeder(kafka: str, linger_ms: int) -> Any:
    """Return a producer as a source's own system would have it."""
    settings = {"bootstrap.servers": kafka, "acks": "all", "linger.ms": linger_ms, "log_level": 0}
    return ck.Producer({**settings, "queue.buffering.max.messages": 2_000_000})


def fill(kafka: str, topic: str, first: int, last: int) -> None:
    """Send the events with numbers in `[first, last)` as fast as they go; return when all are acknowledged."""
    producer = feeder(kafka, 20)
    for number in range(first, last):
        producer.produce(topic, record(number), shop_of(number), partition_of(shop_of(number)))
        if number % 1_000 == 0:
            producer.poll(0)
    if producer.flush(60):
        raise RuntimeError(f"{topic}: expected every event to be acknowledged within a minute")


def feed(kafka: str, topic: str, first: int, rate: int, seconds: float, say: Callable[[dict[str, Any]], None]) -> int:
    """Send `rate` events a second; return the number of the next event.

    `say` is told marked events: first number, shop and time of sending, later its partition and offset.
    """
    producer = feeder(kafka, 1)
    every = max(1, rate // MARKS_A_SECOND)
    begin, sent, total = time.perf_counter(), 0, int(rate * seconds)

    def delivered(number: int) -> Callable[[Any, Any], None]:
        def note(error: Any, message: Any) -> None:
            if error is None:
                say({"number": number, "partition": message.partition(), "offset": message.offset()})

        return note

    while sent < total:
        due = min(total, int((time.perf_counter() - begin) * rate) + 1)
        for number in range(first + sent, first + due):
            shop, callback = shop_of(number), None
            if number % every == 0:
                callback = delivered(number)
                say({"number": number, "shop": shop, "sent_ns": time.time_ns()})
            producer.produce(topic, record(number), shop, partition_of(shop), callback)
        sent = due
        producer.poll(0)
        time.sleep(TICK_S)
    producer.flush(60)
    return first + total
