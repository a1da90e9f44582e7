"""The producer: it sends the airports' messages in the order of their events, at a steady rate, waiting for nobody.

Where the batch layer is slower than the machines that the rate was chosen for, it sends slower, too, so that what the demo
shows under load does happen under load.

    python -m demo.replay --rate 200 --days 7

Idempotent and `acks=all`, so that what it says it has sent is in the log, once. The message's key is the unique key of
what it is about, so that a message and its copy lie on one partition.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from confluent_kafka import KafkaError, Message, Producer
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from demo.plants import plant, tally
from demo.sources import CUT, Airports, Record, stream

SETTINGS = {
    "enable.idempotence": True,
    "acks": "all",
    "linger.ms": 0,
    "delivery.timeout.ms": 2_147_483_647,
    "partitioner": "murmur2_random",
}
MARKS = 240


@dataclass(frozen=True)
class Mark:
    """A message that somebody watches arrive: handed over for sending at `sent_ns` (monotonic nanoseconds)."""

    number: int
    record: Record
    sent_ns: int


@dataclass(frozen=True)
class Delivered:
    """Where a marked message lies in its topic."""

    number: int
    partition: int
    offset: int


Watcher = Callable[[Mark | Delivered], None]


@dataclass
class Replayed:
    """What was sent.

    Attributes:
        sent: messages the broker has confirmed, by source; failed: those it refused for good, the first with this error.
        kinds: by source, how many were true records, duplicates and poison.
        began_ns, ended_ns: monotonic nanoseconds of the first and the last message's sending.
    """

    sent: dict[str, int] = field(default_factory=dict)
    failed: int = 0
    first_error: str = ""
    kinds: dict[str, dict[str, int]] = field(default_factory=dict)
    marked: int = 0
    began_ns: int = 0
    ended_ns: int = 0

    @property
    def rate(self) -> float:
        """Return the messages a second that were really sent."""
        return sum(self.sent.values()) / max((self.ended_ns - self.began_ns) / 1e9, 1e-9)


def topics(conf: Path) -> dict[str, str]:
    """Return the topic of every source that has one, as the project's YAML names them."""
    found: dict[str, str] = {}
    for path in sorted(conf.glob("*.yaml")):
        sections: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8")).get("sources", {})
        found.update({name: section["topic"] for name, section in sections.items() if "topic" in section})
    return found


def create_topics(servers: str, names: Iterable[str], partitions: int = 2) -> None:
    """Create the airports' topics where they are missing; the broker's clock stamps what is appended."""
    admin = AdminClient({"bootstrap.servers": servers, "log_level": 0})
    there = admin.list_topics(timeout=30).topics
    settings = {"message.timestamp.type": "LogAppendTime"}
    missing = [NewTopic(name, partitions, 1, config=settings) for name in names if name not in there]
    for created in admin.create_topics(missing).values() if missing else ():
        created.result(30)


def marked_places(records: Sequence[Record], count: int = MARKS) -> set[int]:
    """Return the places of so many true records, evenly spread over the stream."""
    true = [place for place, record in enumerate(records) if record.kind == "record"]
    count = min(count, len(true))
    return {true[number * len(true) // count] for number in range(count)}


class Replay:
    """One replay of messages into the sources' topics.

    Attributes:
        producer: anything with confluent-kafka's `produce`, `poll` and `flush`.
        topics: source -> topic.
        watcher: is told of every marked message when it is handed over, and again when its position is known.
        is_late: tells of a share of the messages (0 to 1) whether what is due by then is late.
    """

    def __init__(
        self,
        producer: Any,
        topics: dict[str, str],
        watcher: Watcher | None = None,
        is_late: Callable[[float], bool] = lambda _: False,
    ) -> None:
        self.producer = producer
        self.topics = topics
        self.watcher = watcher
        self.is_late = is_late
        self.outcome = Replayed()

    def run(self, records: Sequence[Record], rate: float, on_sent: Callable[[int], None] | None = None) -> Replayed:
        """Send all messages, `rate` a second; return once the broker has confirmed them.

        When each is due follows from the one before, whenever that one was really sent: who was held up catches up. While
        something is late, what is left is spread over as long again as was sent for: messages get rarer, and never run out.
        """
        self.outcome.kinds = tally(records)
        marked = marked_places(records) if self.watcher else set()
        self.outcome.began_ns = time.monotonic_ns()
        due_ns = float(self.outcome.began_ns)
        for place, record in enumerate(records):
            self._await(due_ns)
            self._send(record, place if place in marked else None)
            again_ns = (due_ns - self.outcome.began_ns) / (len(records) - place)
            due_ns += max(1e9 / rate, again_ns if self.is_late(place / len(records)) else 0.0)
            if on_sent:
                on_sent(place + 1)
        self.outcome.ended_ns = time.monotonic_ns()
        self.producer.flush()
        return self.outcome

    def _await(self, due_ns: float) -> None:
        self.producer.poll(0)
        while (left_ns := due_ns - time.monotonic_ns()) > 0:
            time.sleep(left_ns / 1e9)
            self.producer.poll(0)

    def _send(self, record: Record, mark: int | None) -> None:
        def confirmed(error: KafkaError | None, message: Message) -> None:
            self._confirmed(error, message, record.source, mark)

        if mark is not None and self.watcher:
            self.outcome.marked += 1
            self.watcher(Mark(mark, record, time.monotonic_ns()))
        while True:
            try:
                self.producer.produce(self.topics[record.source], record.value, record.key, on_delivery=confirmed)
                return
            except BufferError:
                self.producer.poll(0.1)

    def _confirmed(self, error: KafkaError | None, message: Message, source: str, mark: int | None) -> None:
        if error is not None:
            self.outcome.failed += 1
            self.outcome.first_error = self.outcome.first_error or error.str()
            return
        self.outcome.sent[source] = self.outcome.sent.get(source, 0) + 1
        if mark is not None and self.watcher:
            self.watcher(Delivered(mark, int(message.partition() or 0), int(message.offset() or 0)))


def producer(servers: str) -> Producer:
    """Return a producer that never gives up and never sends a message twice by itself."""
    return Producer({"bootstrap.servers": servers, "log_level": 0, **SETTINGS})


def with_progress(
    replay: Replay,
    records: Sequence[Record],
    rate: float,
    on_sent: Callable[[int], None] | None = None,
    console: Console | None = None,
) -> Replayed:
    """Run the replay with a progress bar on the console; `on_sent` is called with the number of messages sent so far."""
    columns: Iterable[Any] = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, refresh_per_second=4, console=console) as progress:
        task = progress.add_task(f"messages at {rate:g}/s", total=len(records))

        def advance(sent: int) -> None:
            if sent % 50 == 0 or sent == len(records):
                progress.update(task, completed=sent)
            if on_sent:
                on_sent(sent)

        return replay.run(records, rate, advance)


def main() -> None:
    """Replay from the command line; prints what was sent."""
    parser = argparse.ArgumentParser(description="Replay the flights' messages into Kafka.")
    parser.add_argument("--rate", type=float, default=200.0, help="messages a second")
    parser.add_argument("--days", type=float, default=7.0, help="days of events from the cut")
    parser.add_argument("--cut", default=CUT, help="event time (ISO 8601, UTC) of the first message")
    parser.add_argument("--conf", type=Path, default=Path("conf/flights"), help="the project's folder")
    parser.add_argument("--servers", default=os.environ.get("KAFKA_BOOTSTRAP_SERVERS", "127.0.0.1:9092"))
    chosen = parser.parse_args()
    records = plant(stream(Airports(), chosen.days, chosen.cut))
    create_topics(chosen.servers, topics(chosen.conf).values())
    outcome = with_progress(Replay(producer(chosen.servers), topics(chosen.conf)), records, chosen.rate)
    for source, sent in sorted(outcome.sent.items()):
        kinds = outcome.kinds[source]
        print(f"{source:<12} {sent:>8,} sent, of them {kinds['duplicate']} twice and {kinds['poison']} broken")
    print(f"{outcome.rate:,.0f} messages a second, {outcome.failed} refused {outcome.first_error}")


if __name__ == "__main__":
    main()
