"""The batch formula, said as plainly as it can be: lists of events, and nothing of ours.

One event is one record of a log (partition 0 and up) or of a file (partition -1). Everything below is a list
comprehension over events; exact numbers are fractions, so that the expected answer is the double nearest to the truth.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

FILE = -1


@dataclass(frozen=True)
class Event:
    """One event of one entity; `values` by column: int, Fraction (decimals), float or str; None is null."""

    partition: int
    offset: int
    append_ms: int
    event_ms: int
    entity: str = "e"
    values: Mapping[str, Any] = field(default_factory=dict)
    unique: str | None = None


@dataclass(frozen=True)
class Ask:
    """What is asked for: an aggregation over a column (None: over events) in a window."""

    aggregation: str
    column: str | None
    length_ms: int
    hop_ms: int


def floor(moment: int, step: int) -> int:
    return moment // step * step


def position(event: Event) -> tuple[int, int, int]:
    return (event.event_ms, event.partition, event.offset)


def without_duplicates(events: Iterable[Event], horizon_ms: int) -> list[Event]:
    """The first copy by offset is kept; a later one is dropped if it was appended within H of the one kept last."""
    kept: list[Event] = []
    for event in sorted(events, key=lambda event: event.offset):
        same = [
            other
            for other in kept
            if event.unique is not None
            and (event.entity, event.partition, event.unique) == (other.entity, other.partition, other.unique)
        ]
        if not same or event.append_ms - same[-1].append_ms > horizon_ms:
            kept.append(event)
    return kept


def named(events: Iterable[Event], horizon: int, period_ms: int, positions: Mapping[int, int]) -> list[Event]:
    """The events up to what an answer names: all before the horizon, and from there on up to each position."""
    return [
        event
        for event in events
        if event.partition == FILE
        or event.append_ms // period_ms < horizon
        or event.offset <= positions.get(event.partition, -1)
    ]


def late(events: Iterable[Event], horizon: int, period_ms: int, reached: Mapping[int, int]) -> list[Event]:
    """The events of periods before the horizon that a view could not hold: its tables had not reached them."""
    return [
        event
        for event in events
        if event.partition != FILE
        and event.append_ms // period_ms < horizon
        and event.offset >= reached.get(event.partition, 0)
    ]


def in_window(events: Iterable[Event], ask: Ask, t_ms: int) -> list[Event]:
    start = floor(t_ms - ask.length_ms, ask.hop_ms)
    return [event for event in events if start <= event.event_ms < t_ms]


def value(
    ask: Ask, events: Iterable[Event], t_ms: int, known: Callable[[Event], bool] = lambda _: True
) -> int | float | str | None:
    """The answer at t over the events in the window that were known; None where there is none."""
    return of_events(ask, [event for event in in_window(events, ask, t_ms) if known(event)])


def of_events(ask: Ask, events: list[Event]) -> int | float | str | None:
    """The aggregation over exactly these events."""
    if ask.column is None:
        return len(events)
    seen = [event for event in events if event.values[ask.column] is not None]
    values = [event.values[ask.column] for event in seen]
    if ask.aggregation == "count":
        return len(values)
    if not values:
        return None
    if ask.aggregation == "latest":
        return plain(max(seen, key=position).values[ask.column])
    if ask.aggregation in ("min", "max"):
        return plain(min(values) if ask.aggregation == "min" else max(values))
    return number(ask.aggregation, [Fraction(value) for value in values], exact=not isinstance(values[0], float))


def number(aggregation: str, values: list[Fraction], *, exact: bool) -> int | float | None:
    total, count = sum(values), len(values)
    if aggregation == "sum":
        return plain(total) if exact else float(total)
    if aggregation == "mean":
        return float(total / count)
    mean = Fraction(total, count)
    return None if count < 2 else float(sum((value - mean) ** 2 for value in values) / (count - 1))


def plain(value: Any) -> Any:
    """A decimal as the nearest double, everything else as it is; an integer column's sum is an integer."""
    return float(value) if isinstance(value, Fraction) and value.denominator != 1 else _whole(value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Fraction) else value


def magnitude(ask: Ask, events: list[Event]) -> float:
    """What a floating answer's error is measured by: the sum of magnitudes of what was added up."""
    values = [event.values[ask.column] for event in events if event.values[ask.column] is not None]
    if ask.aggregation == "variance":
        return float(sum(Fraction(value) ** 2 for value in values) / max(1, len(values) - 1))
    total = float(sum(abs(Fraction(value)) for value in values))
    return total / max(1, len(values)) if ask.aggregation == "mean" else total


def folded(events: Iterable[Event], ring: int) -> list[Event]:
    """Of one period's events, those that no longer stand single: all but the newest `ring`."""
    return sorted(events, key=position)[:-ring]


def seen_at_the_edge(
    ask: Ask, batch: list[Event], periods: list[list[Event]], t_ms: int, ring: int
) -> tuple[list[Event], bool]:
    """The events that count when t lies before what was already folded, and whether that shows.

    A side whose folded events all lie before t is exact. Otherwise the tile of t counts as a whole: also what was
    folded into it at or after t.
    """
    start, tile_start = floor(t_ms - ask.length_ms, ask.hop_ms), floor(t_ms, ask.hop_ms)
    counted, edge = [], False
    for singles, old in [([], batch)] + [(newest(events, ring), folded(events, ring)) for events in periods]:
        overlap = bool(old) and max(event.event_ms for event in old) >= t_ms
        whole = [event for event in old if start <= event.event_ms and floor(event.event_ms, ask.hop_ms) < t_ms]
        counted += whole if overlap else in_window(old, ask, t_ms)
        counted += in_window(singles, ask, t_ms)
        cut = [event for event in whole if floor(event.event_ms, ask.hop_ms) == tile_start]
        edge = edge or (overlap and tile_start != t_ms and bool(cut))
    return counted, edge


def newest(events: Iterable[Event], ring: int) -> list[Event]:
    return sorted(events, key=position)[-ring:]
