"""What is sent, drawn from one seed: sales late, tied and out of order, copies of some, and broken records among them.

The content and order of the messages depend on the seed alone; when each is sent does not.
"""

from __future__ import annotations

import json
import random
from collections import deque
from dataclasses import dataclass

from tests.crash.oracle import Sale
from tests.crash.project import PARTITIONS, REGION

T0_MS = 1_700_000_000_000
STEP_MS = 40
"""How far the events' own clock moves a message: their hours pass in minutes."""
BEACON = "beacon"
"""The customer whose sales the prober waits for."""
SHOPS = 100
EVERY = 25
"""Every so many messages one is a beacon's."""
REMEMBERED = 15_000
"""Of so many messages a copy may be sent: at 500 a second, within the horizon of copies and beyond it."""
_HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Message:
    """One message: what is sent where, and the sale that it is; none where it is broken."""

    partition: int
    value: bytes
    sale: Sale | None
    kind: str


class Sales:
    """Draws messages without end."""

    def __init__(self, seed: int, customers: int, shops: int = SHOPS) -> None:
        self._draw = random.Random(seed)
        self._customers, self._shops = customers, shops
        self._recent: deque[Message] = deque(maxlen=REMEMBERED)
        self._number = 0

    def next(self) -> Message:
        """Return the next message."""
        self._number += 1
        chance = self._draw.random()
        if self._number % EVERY == 0:
            return self._sale(BEACON, self._number // EVERY % PARTITIONS)
        if chance < 0.02 and self._recent:
            near = self._draw.random() < 0.7
            copied = self._recent[-self._draw.randrange(1, min(len(self._recent), 2_000 if near else REMEMBERED) + 1)]
            return Message(copied.partition, copied.value, copied.sale, "copy")
        if chance < 0.03:
            return self._broken()
        # The first ones go through all customers, so that none is left out of a long run.
        number = self._number if self._number < self._customers else self._draw.randrange(self._customers)
        name = None if self._draw.random() < 0.005 else f"c|{number}"
        made = self._sale(name, number % PARTITIONS if self._draw.random() < 0.95 else self._draw.randrange(PARTITIONS))
        self._recent.append(made)
        return made

    def _sale(self, customer: str | None, partition: int) -> Message:
        sale = Sale(
            id=f"s{self._number}",
            customer=customer,
            shop=f"shop {self._draw.randrange(self._shops)}",
            cents=self._draw.randrange(10_000),
            weight=None if self._draw.random() < 0.1 else self._draw.uniform(-1e3, 1e3),
            at_ms=self._moment(),
        )
        return Message(partition, encode(sale), sale, "sale")

    def _moment(self) -> int:
        late = self._draw.choices((60_000, _HOUR_MS, 6 * _HOUR_MS), (70, 25, 5))[0]
        at_ms = T0_MS + self._number * STEP_MS - self._draw.randrange(late)
        return at_ms - at_ms % 10_000 if self._draw.random() < 0.5 else at_ms

    def _broken(self) -> Message:
        record = json.loads(self._sale("c|0", 0).value)
        change = self._draw.choice(
            [
                {"at": None},
                {"at": 4_102_444_800_000},
                {"at": 0},
                {"amount": "12,50"},
                {"amount": "-1.00"},
                {"weight": "NaN"},
                {"weight": "Infinity"},
                {"id": None},
                {"region": None},
            ]
        )
        text = json.dumps({**record, **change}).encode()
        value = text if self._draw.random() < 0.7 else text[: self._draw.randrange(1, len(text) - 1)] + b"\xff"
        return Message(self._draw.randrange(PARTITIONS), value, None, "broken")


def encode(sale: Sale) -> bytes:
    """Return the record of a sale."""
    return json.dumps(
        {
            "id": sale.id,
            "region": REGION,
            "customer": sale.customer,
            "shop": sale.shop,
            "amount": f"{sale.cents / 100:.2f}",
            "weight": sale.weight,
            "at": sale.at_ms,
        }
    ).encode()
