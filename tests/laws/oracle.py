"""The batch formula, said as plainly as it can be: lists of events, and nothing of ours.

One event is one record of a log (partition 0 and up) or of a file (partition -1). Everything below is a list
comprehension over events; exact numbers are fractions, so that the expected answer is the double nearest to the truth.
"""

import hashlib
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
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
    """What is asked for: an aggregation over a column (None: over events) in a window.

    `settings` are those of the block; `sees` gives what is seen of an event where that is not its column.
    """

    aggregation: str
    column: str | None
    length_ms: int
    hop_ms: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    sees: Callable[[Event], Any] | None = None

    def of(self, event: Event) -> Any:
        if self.sees is not None:
            return self.sees(event)
        return 1 if self.column is None else event.values[self.column]


def floor(moment: int, step: int) -> int:
    return moment // step * step


def position(event: Event) -> tuple[int, int, int]:
    return (event.event_ms, event.partition, event.offset)


def without_duplicates(events: Iterable[Event], horizon_ms: int) -> list[Event]:
    """The first copy by offset is kept; a later one is dropped if it was appended within H of the one kept last."""
    kept: list[Event] = []
    kept_last: dict[tuple[str, int, str], Event] = {}
    for event in sorted(events, key=lambda event: event.offset):
        if event.unique is None:
            kept.append(event)
            continue
        copies = (event.entity, event.partition, event.unique)
        if copies not in kept_last or event.append_ms - kept_last[copies].append_ms > horizon_ms:
            kept.append(event)
            kept_last[copies] = event
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


def value(ask: Ask, events: Iterable[Event], t_ms: int, known: Callable[[Event], bool] = lambda _: True) -> Any:
    """The answer at t over the events in the window that were known; None where there is none."""
    return of_events(ask, [event for event in in_window(events, ask, t_ms) if known(event)], t_ms)


def of_events(ask: Ask, events: list[Event], t_ms: int = 0) -> Any:
    """The aggregation over exactly these events."""
    seen = [event for event in events if ask.of(event) is not None]
    values = [ask.of(event) for event in seen]
    if ask.aggregation in OF_NOTHING:
        return OF_NOTHING[ask.aggregation](ask, values)
    if not values:
        return None
    if ask.aggregation in BY_MOMENT:
        return BY_MOMENT[ask.aggregation](ask, sorted(seen, key=position), t_ms)
    if ask.aggregation in BY_VALUE:
        return BY_VALUE[ask.aggregation](ask, values)
    return number(ask.aggregation, [Fraction(value) for value in values], exact=not isinstance(values[0], float))


def _fresh(ask: Ask, event: Event, t_ms: int) -> bool:
    expiry_ms = ask.settings.get("expiry_ms")
    return expiry_ms is None or t_ms <= event.event_ms + expiry_ms


def _first(ask: Ask, ordered: list[Event], t_ms: int) -> Any:
    return plain(ask.of(ordered[0]))


def _latest(ask: Ask, ordered: list[Event], t_ms: int) -> Any:
    return plain(ask.of(ordered[-1])) if _fresh(ask, ordered[-1], t_ms) else None


def _last_n(ask: Ask, ordered: list[Event], t_ms: int) -> Any:
    last = ordered[-ask.settings["last"] :]
    return [plain(ask.of(event)) for event in reversed(last) if _fresh(ask, event, t_ms)] or None


def _decayed_sum(ask: Ask, ordered: list[Event], t_ms: int) -> Any:
    if not _fresh(ask, ordered[-1], t_ms):
        return None
    return math.fsum(float(ask.of(event)) * weight(ask, event, t_ms) for event in ordered)


BY_MOMENT = {"first": _first, "latest": _latest, "last_n": _last_n, "decayed_sum": _decayed_sum}


def weight(ask: Ask, event: Event, t_ms: int) -> float:
    return 0.5 ** ((t_ms - event.event_ms) / ask.settings["half_life_ms"])


def cells(ask: Ask, values: list[Any]) -> list[int]:
    """How many values lie in each cell: below the bins, in each, beyond them; or in each category, and in none."""
    if ask.settings["categories"]:
        declared = ask.settings["categories"]
        return [values.count(each) for each in declared] + [sum(value not in declared for value in values)]
    edges = [Fraction(str(edge)) if not isinstance(values[0], float) else edge for edge in ask.settings["bins"]]
    inside = [sum(low <= value < high for value in values) for low, high in pairwise(edges)]
    return [sum(value < edges[0] for value in values), *inside, sum(value >= edges[-1] for value in values)]


def _shares(ask: Ask, values: list[Any]) -> float:
    return cells(ask, values)[ask.settings["cell"]] / len(values)


def _quantile(ask: Ask, values: list[Any]) -> float:
    """Where the rank falls if the events of a bin stand evenly between its edges, and all others on the nearest edge."""
    counts, edges = cells(ask, values), [Fraction(edge) for edge in ask.settings["bins"]]
    rank = Fraction(ask.settings["quantile"]) * len(values)
    lows, highs = [edges[0], *edges], [*edges, edges[-1]]
    for cell, count in enumerate(counts):
        if count and sum(counts[: cell + 1]) >= rank:
            share = (rank - sum(counts[:cell])) / count
            return float(lows[cell] + share * (highs[cell] - lows[cell]))
    raise AssertionError(counts)


BY_VALUE = {
    "min": lambda _, values: plain(min(values)),
    "max": lambda _, values: plain(max(values)),
    "histogram": cells,
    "shares": _shares,
    "quantiles": _quantile,
}


def _hashed(value: Any) -> str:
    """48 bits: of a text, of a whole number's digits, of a decimal's as a whole number of its last digit's unit."""
    text = str(int(value * 100)) if isinstance(value, Fraction) else str(value)
    return f"{int(hashlib.md5(text.encode(), usedforsecurity=False).hexdigest(), 16) >> 80:048b}"


def estimate(hashes: list[str], precision: int) -> int:
    """HyperLogLog over hashes of 48 binary digits, as published: the place of the first 1 behind the register's number."""
    m = 2**precision
    registers = [0] * m
    for digits in hashes:
        register, rest = int(digits[:precision], 2), digits[precision:] + "1"
        registers[register] = max(registers[register], rest.index("1") + 1)
    alpha = {16: 0.673, 32: 0.697, 64: 0.709}.get(m, 0.7213 / (1 + 1.079 / m))
    raw = alpha * m * m / math.fsum(2.0**-rank for rank in registers)
    empty = registers.count(0)
    return round(m * math.log(m / empty) if empty and raw <= 2.5 * m else raw)


OF_NOTHING = {
    "count": lambda _, values: len(values),
    "distinct": lambda ask, values: estimate([_hashed(value) for value in values], ask.settings["precision"]),
}


def number(aggregation: str, values: list[Fraction], *, exact: bool) -> int | float | None:
    total, count = sum(values), len(values)
    if aggregation == "sum":
        return plain(total) if exact else float(total)
    if aggregation in ("mean", "share"):
        return float(total / count)
    mean = Fraction(total, count)
    variance = None if count < 2 else float(sum((value - mean) ** 2 for value in values) / (count - 1))
    return math.sqrt(variance) if aggregation == "stddev" and variance is not None else variance


def plain(value: Any) -> Any:
    """A decimal as the nearest double, everything else as it is; an integer column's sum is an integer."""
    return float(value) if isinstance(value, Fraction) and value.denominator != 1 else _whole(value)


def _whole(value: Any) -> Any:
    return int(value) if isinstance(value, Fraction) else value


def is_floating(ask: Ask, value: Any) -> bool:
    """Whether an answer is equal within 1e-9 of the sum of magnitudes, and not to the last bit."""
    if ask.aggregation in ("decayed_sum", "quantiles"):
        return value is not None
    summed = ask.aggregation in ("sum", "mean", "variance", "stddev")
    return summed and value is not None and ask.column in ("real", "weight")


def magnitude(ask: Ask, events: list[Event], t_ms: int = 0) -> float:
    """What a floating answer's error is measured by: the sum of magnitudes of what was added up."""
    seen = [event for event in events if ask.of(event) is not None]
    values = [abs(Fraction(ask.of(event))) for event in seen]
    if ask.aggregation == "quantiles":
        return float(sum(abs(edge) for edge in ask.settings["bins"]))
    if ask.aggregation == "decayed_sum":
        return math.fsum(float(value) * weight(ask, event, t_ms) for value, event in zip(values, seen, strict=True))
    if ask.aggregation == "variance":
        return float(sum(value**2 for value in values) / max(1, len(values) - 1))
    total = float(sum(values))
    return total / max(1, len(values)) if ask.aggregation == "mean" else total


def folded(events: Iterable[Event], ring: int) -> list[Event]:
    """Of one period's events, those that no longer stand single: all but the newest `ring`."""
    return sorted(events, key=position)[:-ring]


Side = tuple[list[Event], list[Event]]
"""The events of the batch view, or of one period: those that stand single, and those that were folded."""


def sides(batch: list[Event], periods: list[list[Event]], ring: int) -> list[Side]:
    """The batch side's events, all of them folded, and each period's."""
    return [([], batch)] + [(newest(events, ring), folded(events, ring)) for events in periods]


def seen_at_the_edge(ask: Ask, parts: list[Side], t_ms: int) -> tuple[list[Event], bool]:
    """The events that count when t lies before what was already folded, and whether that shows.

    A side whose folded events all lie before t is exact. Otherwise the tile of t counts as a whole: also what was
    folded into it at or after t.
    """
    start, tile_start = floor(t_ms - ask.length_ms, ask.hop_ms), floor(t_ms, ask.hop_ms)
    counted, edge = [], False
    for singles, old in parts:
        overlap = bool(old) and max(event.event_ms for event in old) >= t_ms
        whole = [event for event in old if start <= event.event_ms and floor(event.event_ms, ask.hop_ms) < t_ms]
        counted += whole if overlap else in_window(old, ask, t_ms)
        counted += in_window(singles, ask, t_ms)
        cut = [event for event in whole if floor(event.event_ms, ask.hop_ms) == tile_start]
        edge = edge or (overlap and tile_start != t_ms and bool(cut))
    return counted, edge


def newest(events: Iterable[Event], ring: int) -> list[Event]:
    return sorted(events, key=position)[-ring:]
