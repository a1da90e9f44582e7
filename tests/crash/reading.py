"""Who reads: a process that asks for answers all the time, over all entities, and writes down each with its time.

    python -m tests.crash.reading FOLDER SEED CUSTOMERS RATE

The prober, a thread of the run itself, waits for the beacons: when was a sale first part of an answer?
"""

from __future__ import annotations

import random
import sys
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event, Thread
from typing import Self

import msgspec

from lambda_core.bootstrap import build_context
from lambda_core.context import RunContext
from lambda_core.errors import MainstemError
from lambda_core.repositories.store import client_of
from lambda_core.schemas.messages import Answer
from serving_layer.client import Asked, ServingClient, answer_seconds
from tests.crash.project import FEATURE_SET
from tests.crash.sales import BEACON, SHOPS, STEP_MS, T0_MS

LATER_MS = 600_000
"""So much after a moment no event of it is left to come."""
PAUSE_S = 0.03
FRESH_S = 1.0
"""What is readable so soon after it was sent is fresh."""


class Seen(msgspec.Struct):
    """One answer, and when it was asked for (seconds since 1970)."""

    asked_s: float
    answer: Answer


def serving_client(context: RunContext) -> ServingClient:
    """Return a client as a server makes it."""
    redis = client_of(context.environment.redis.get_secret_value(), answer_seconds(context.project))
    return ServingClient(context.project, None, redis, context.clock)


def ask(client: ServingClient, customer: str, shop: str, t_ms: int) -> Answer:
    """Return the vector of a customer in a shop at t."""
    asked = Asked({"customer": customer, "shop": shop}, request={"amount": 1.0})
    return client.features(FEATURE_SET, asked, t_ms)


@dataclass(frozen=True)
class Sampling:
    """What is asked: everybody in turn, half of the time after all events so far, else at a moment among them."""

    seed: int
    customers: int
    rate: float


def sample(variables: dict[str, str], sampling: Sampling, file: Path, stop: Callable[[], bool]) -> None:
    """Ask until told to stop, and write down every answer."""
    draw, client = random.Random(sampling.seed), serving_client(build_context(variables=variables))
    begin, number, refresh_at = time.time(), 0, 0.0
    encoder = msgspec.json.Encoder()
    with file.open("wb") as written:
        while not stop():
            now = time.time()
            if now > refresh_at:
                refresh_at = now + 1
                with suppress(MainstemError):
                    client.refresh()
            number += 1
            moment = T0_MS + int((now - begin) * sampling.rate * STEP_MS)
            t_ms = moment + (LATER_MS if draw.random() < 0.5 else -draw.choice((0, draw.randrange(3_600_000))))
            t_ms = t_ms - t_ms % 60_000 if draw.random() < 0.2 else t_ms
            seen = Seen(
                time.time(), ask(client, f"c|{number % sampling.customers}", f"shop {draw.randrange(SHOPS)}", t_ms)
            )
            written.write(encoder.encode(seen) + b"\n")
            time.sleep(PAUSE_S)
    client.close()


@dataclass
class Beacon:
    """A sale that is waited for: when it was sent, and when it was first part of an answer (monotonic seconds)."""

    sent: float
    partition: int
    offset: int
    seen: float | None = None


@dataclass
class Prober:
    """Polls for the beacons.

    Attributes:
        beacons: in the order in which the log took them.
    """

    context: RunContext
    beacons: list[Beacon] = field(default_factory=list)
    _waiting: deque[Beacon] = field(default_factory=deque)
    _stop: Event = field(default_factory=Event)

    def __enter__(self) -> Self:
        self._thread = Thread(target=self._poll, name="prober", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def hear(self, sent: float, partition: int, offset: int) -> None:
        """Wait for one more."""
        beacon = Beacon(sent, partition, offset)
        self.beacons.append(beacon)
        self._waiting.append(beacon)

    def back_after(self, moment: float) -> float | None:
        """Return how many seconds after a moment something sent after it was first readable; None: not yet."""
        seen = [one.seen for one in list(self.beacons) if one.sent >= moment and one.seen is not None]
        return min(seen) - moment if seen else None

    def fresh_after(self, moment: float) -> float | None:
        """Return how many seconds after a moment something sent after it was first readable in no time; None: not yet."""
        fresh = [
            one.seen
            for one in list(self.beacons)
            if one.sent >= moment and one.seen is not None and one.seen - one.sent < FRESH_S
        ]
        return min(fresh) - moment if fresh else None

    def _poll(self) -> None:
        client = serving_client(self.context)
        refresh_at = 0.0
        while not self._stop.wait(0.05):
            with suppress(MainstemError):
                if time.monotonic() > refresh_at:
                    refresh_at = time.monotonic() + 0.5
                    client.refresh()
                answer = ask(client, BEACON, "shop 0", T0_MS)
                if answer.source == "merged":
                    self._see(answer)
        client.close()

    def _see(self, answer: Answer) -> None:
        """Note what is in: behind the positions named, or in the batch view when it is the oldest that was waited for."""
        positions = answer.groups["by_customer"].positions
        now = time.monotonic()
        for beacon in list(self._waiting):
            if positions.get(beacon.partition, -1) >= beacon.offset:
                beacon.seen = now
                self._waiting.remove(beacon)


def main(folder: Path, sampling: Sampling) -> None:
    """Sample until standard input ends."""
    variables = msgspec.json.decode((folder / "variables.json").read_bytes(), type=dict[str, str])
    ended = Event()
    Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    sample(variables, sampling, folder / "answers.jsonl", ended.is_set)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Sampling(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])))
