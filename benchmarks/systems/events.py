"""The events of the streaming benchmarks: each a function of its number alone, and so are the features over them."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

SHOPS = 1_000
PARTITIONS = 2
T0 = 1_700_000_100_000
"""Event time of the first event, milliseconds since 1970-01-01 UTC: the start of a tile of five minutes."""
TILE_MS = 300_000
HOUR_MS = 3_600_000

Features = tuple[int, int | None, int | None]
"""Count, sum and maximum of the amounts in the hour before a moment."""


def shop_of(number: int) -> str:
    """Return the event's shop, which is also its key in the topic."""
    return f"shop{(number * 2_654_435_761 >> 7) % SHOPS}"


def amount_of(number: int) -> int:
    """Return the event's amount."""
    return (number * 48_271) % 99_991


def partition_of(shop: str) -> int:
    """Return the partition of a shop: named by the producer, so that every system reads the same two."""
    return int(shop.removeprefix("shop")) % PARTITIONS


def record(number: int) -> bytes:
    """Return the event as it lies in the topic: JSON; event times are one millisecond apart."""
    return b'{"shop": "%s", "amount": %d, "at": %d}' % (shop_of(number).encode(), amount_of(number), T0 + number)


def expected(numbers: Iterable[int], t_ms: int) -> dict[str, Features]:
    """Return each shop's features at `t_ms`, by one loop over all events."""
    amounts: dict[str, list[int]] = defaultdict(list)
    start_ms = (t_ms - HOUR_MS) // TILE_MS * TILE_MS
    for number in numbers:
        if start_ms <= T0 + number < t_ms:
            amounts[shop_of(number)].append(amount_of(number))
    return {shop: (len(own), sum(own), max(own)) for shop, own in amounts.items()}
