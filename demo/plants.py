"""What the replay sends on purpose beside the truth, declared and counted: messages sent twice, and broken ones.

A duplicate is the same message once more, some messages later, with the same key and so on the same partition. A
poison message cannot be used for the reason that it is named after; the true message beside it is sent as well.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace

from demo.sources import EVENT_SOURCES, Record

DUPLICATES_A_SOURCE = 6
GAPS = (1, 40, 400, 4_000)
"""After how many further messages a copy follows: the next, and up to some twenty seconds later at 200 a second."""


def _cut_short(record: Record) -> bytes:
    return record.value[: len(record.value) // 2]


def _changed(record: Record, **values: object) -> bytes:
    return json.dumps({**json.loads(record.value), **values}, separators=(",", ":")).encode()


POISON: dict[str, tuple[tuple[str, Callable[[Record], bytes]], ...]] = {
    "departures": (
        ("broken JSON", _cut_short),
        ("wrong type", lambda record: _changed(record, dep_delay="late")),
        ("far in the future", lambda record: _changed(record, year=2093)),
    ),
    "arrivals": (
        ("broken JSON", _cut_short),
        ("missing value", lambda record: _changed(record, arr_time=None)),
        ("out of bounds", lambda record: _changed(record, distance=-5)),
    ),
    "weather": (
        ("broken JSON", _cut_short),
        ("far in the future", lambda record: _changed(record, time_hour="2093-12-05T00:00:00Z")),
        ("unreadable time", lambda record: _changed(record, time_hour="yesterday")),
    ),
}


def plant(records: Sequence[Record]) -> list[Record]:
    """Return the messages with duplicates and poison among them, always at the same places for the same messages."""
    added: list[tuple[int, Record]] = []
    for source in EVENT_SOURCES:
        places = [place for place, record in enumerate(records) if record.source == source]
        for number, place in enumerate(_spread(places, DUPLICATES_A_SOURCE)):
            later = min(place + GAPS[number % len(GAPS)], len(records) - 1)
            added.append((later, replace(records[place], kind="duplicate")))
        for (_, spoil), place in zip(POISON[source], _spread(places, len(POISON[source]) + 1), strict=False):
            added.append((place, replace(records[place], kind="poison", value=spoil(records[place]))))
    planted: dict[int, list[Record]] = {}
    for place, record in added:
        planted.setdefault(place, []).append(record)
    return [sent for place, record in enumerate(records) for sent in (record, *planted.get(place, ()))]


def tally(records: Sequence[Record]) -> dict[str, dict[str, int]]:
    """Return how many messages of each kind each source sends: the producer's own count."""
    kinds = Counter((record.source, record.kind) for record in records)
    return {
        source: {kind: kinds[source, kind] for kind in ("record", "duplicate", "poison")} for source in EVENT_SOURCES
    }


def _spread(places: Sequence[int], count: int) -> list[int]:
    """Return so many of the places, evenly, from the first quarter of the first stretch on."""
    if not places:
        return []
    step = len(places) / count
    return [places[int(step * number + step / 4)] for number in range(count)]
