"""Small worlds for the laws: projects with dense windows, events that collide, and both layers played in one process.

Everything that a layer does to an event here goes through the core as serving uses it: rows of components, hashes
encoded and decoded as Redis holds them, batch values packed and unpacked.
"""

import math
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any

from hypothesis import strategies as st

from lambda_core.config.project import Project
from lambda_core.features.aggregations import Aggregation, Histogram, Moment
from lambda_core.features.definition import Definition, Feature, FeatureGroup, Slot, compile_definition
from lambda_core.features.windows import floor_to
from lambda_core.schemas.messages import Update
from lambda_core.views.packing import BatchValue, Tiles, pack, unpack
from lambda_core.views.reading import GroupReading, read_group
from lambda_core.views.speed import SeenKeys, SpeedHash, states_of
from tests.laws.oracle import Ask, Event

PERIOD_MS = 60
DUPLICATE_HORIZON_MS = 70
COLUMNS = {
    "whole": {"type": "integer"},
    "money": {"type": "decimal", "scale": 2},
    "real": {"type": "float"},
    "word": {"type": "string"},
}
NUMERIC = ["count", "sum", "mean", "variance", "min", "max", "latest"]
WINDOWS = [(30, 10), (100, 25), (7, 7)]
PLAIN: list[dict[str, Any]] = [
    {"aggregations": ["count"]},
    {"column": "whole", "aggregations": NUMERIC},
    {"column": "money", "aggregations": NUMERIC},
    {"column": "real", "aggregations": NUMERIC},
    {"column": "word", "aggregations": ["count", "latest"]},
]
"""What needs no settings, over every type of column."""
POSITIVE, SHORT = "whole > 0", "length(word) < 3"
CONDITIONS: dict[str, Callable[[Mapping[str, Any]], bool | None]] = {
    POSITIVE: lambda values: None if values["whole"] is None else values["whole"] > 0,
    SHORT: lambda values: None if values["word"] is None else len(values["word"]) < 3,
}
"""Spark SQL -> what it says of an event's values."""
CELLS = ["histogram", "shares", "quantiles"]
WITH_SETTINGS: list[dict[str, Any]] = [
    {"name": "short", "where": SHORT, "condition": POSITIVE, "aggregations": ["count", "share"]},
    {"column": "whole", "aggregations": ["first", "stddev", "variance", "distinct"]},
    {"column": "whole", "aggregations": CELLS, "bins": [-3, 0.5, 4], "quantiles": [0, 0.3, 1]},
    {"name": "few", "column": "whole", "aggregations": ["shares"], "categories": [0, -1]},
    {"name": "short", "where": SHORT, "column": "whole", "aggregations": ["sum", "latest"]},
    {"name": "fresh", "where": SHORT, "column": "whole", "aggregations": ["latest"], "expiry": "20 ms"},
    {"column": "money", "aggregations": ["first", "stddev", "distinct"], "precision": 4},
    {"column": "money", "aggregations": ["quantiles"], "bins": [-1.005, 0.1, 2], "quantiles": [0.5, 0.999]},
    {"column": "money", "aggregations": ["decayed_sum"], "half_life": "15 ms"},
    {"column": "money", "aggregations": ["last_n"], "last": 3, "expiry": "25 ms"},
    {"column": "real", "aggregations": ["first", "stddev", "last_n"], "last": 2},
    {"column": "real", "aggregations": ["histogram", "quantiles"], "bins": [-1, -0.0, 0.1, 1e12], "quantiles": [0.5]},
    {"column": "real", "aggregations": ["decayed_sum"], "half_life": "40 ms", "expiry": "60 ms"},
    {"column": "word", "aggregations": ["first", "last_n", "distinct"], "last": 4},
    {"column": "word", "aggregations": ["histogram"], "categories": ["", "a|b", "it's \\", "!"]},
]
"""What takes settings, shares states, sees some events or expires."""


def project(
    ring: int = 3,
    windows: Sequence[tuple[int, int]] = tuple(WINDOWS),
    blocks: Sequence[Mapping[str, Any]] = tuple(PLAIN),
    **changes: Any,
) -> Project:
    """A project with one group `things`: every block in these windows (length, hop)."""
    features = [{**block, "windows": [length], "hop": hop} for length, hop in windows for block in blocks]
    declared: dict[str, Any] = {
        "project": "world",
        "view": {"period": PERIOD_MS, "ring": ring},
        "sources": {
            "things": {
                "topic": "world.things",
                "columns": {"key": {"type": "string"}, **COLUMNS},
                "derive": {"at": {"type": "timestamp", "expression": "now()"}},
                "event_time": "at",
                "unique_key": ["word"],
                "duplicate_horizon": DUPLICATE_HORIZON_MS,
            }
        },
        "entities": {"thing": {"keys": ["key"]}},
        "feature_groups": {"things": {"source": "things", "entity": "thing", "features": features}},
    }
    return Project.model_validate({**declared, **changes})


def definition(
    ring: int = 3,
    windows: Sequence[tuple[int, int]] = tuple(WINDOWS),
    blocks: Sequence[Mapping[str, Any]] = tuple(PLAIN),
) -> Definition:
    return compile_definition(project(ring, windows, blocks))


def ask_of(group: FeatureGroup, feature: Feature) -> Ask:
    """The oracle's word for a feature."""
    slot, window = group.slots[feature.slot], feature.window
    sees = partial(seen_of, slot) if slot.where or slot.condition else None
    return Ask(feature.answer.name, slot.column, window.length_ms, window.hop_ms, settings_of(feature.answer), sees)


def settings_of(answer: Aggregation) -> dict[str, Any]:
    """The settings that an answer was made with, as the oracle calls them."""
    names = ("half_life_ms", "last", "precision", "quantile", "cell", "expiry_ms")
    settings = {name: getattr(answer, name) for name in names if hasattr(answer, name)}
    if isinstance(answer, Histogram):
        settings["bins"], settings["categories"] = answer.parameters
    return settings


def seen_of(slot: Slot, event: Event) -> Any:
    """What a slot sees of an event, worked out by hand; None when it does not see it."""
    if slot.where is not None and not CONDITIONS[slot.where](event.values):
        return None
    if slot.condition is not None:
        fulfilled = CONDITIONS[slot.condition](event.values)
        return None if fulfilled is None else int(fulfilled)
    return 1 if slot.column is None else event.values[slot.column]


def component(value: Any) -> Any:
    """A value as `lift` takes it: a decimal of two digits as a scaled integer."""
    return int(value * 100) if isinstance(value, Fraction) else value


def row_of(group: FeatureGroup, event: Event) -> list[str]:
    """The row of components of one event: what the query's SQL makes of it."""
    moment = Moment(event.event_ms, event.partition, event.offset)
    states = [slot.aggregation.update(None, component(seen_of(slot, event)), moment) for slot in group.slots]
    return group.encode(states)


def update_of(group: FeatureGroup, event: Event) -> Update:
    return Update(
        definition="d",
        group=group.name,
        entity=event.entity,
        partition=event.partition,
        offset=event.offset,
        append_ms=event.append_ms,
        event_ms=event.event_ms,
        row=row_of(group, event),
        unique=event.unique,
    )


def batch_value(group: FeatureGroup, events: Iterable[Event]) -> BatchValue | None:
    """One entity's batch value over events that count, as publishing packs it and serving unpacks it."""
    counted = list(events)
    return unpack(packed_value(group, counted)) if counted else None


def packed_value(group: FeatureGroup, counted: Sequence[Event]) -> bytes:
    """The same, of at least one event, as Redis holds it."""
    return packed_rows(group, [(event.event_ms, row_of(group, event)) for event in counted])


def packed_rows(group: FeatureGroup, rows: Sequence[tuple[int, list[str]]]) -> bytes:
    """The same, of events' times and rows."""
    of_tiles: dict[tuple[int, int], list[list[str]]] = {}
    for event_ms, row in rows:
        for hop in group.hops_ms:
            of_tiles.setdefault((hop, floor_to(event_ms, hop)), []).append(row)
    tiles: Tiles = {place: group.encode(states_of(group, own)) for place, own in of_tiles.items()}
    return pack(group, max(event_ms for event_ms, _ in rows), tiles)


@dataclass
class SpeedSide:
    """One entity's speed view in one epoch: period -> hash; and the unique keys seen."""

    group: FeatureGroup
    ring: int
    first_period: int = 0
    hashes: dict[int, SpeedHash] = field(default_factory=dict)
    seen: SeenKeys = field(default_factory=lambda: SeenKeys(DUPLICATE_HORIZON_MS))

    def apply(self, event: Event) -> str:
        """What the script does with one update."""
        update, period = update_of(self.group, event), event.append_ms // PERIOD_MS
        if period < self.first_period:
            self.seen.is_duplicate(update)
            return "dropped"
        return self.hashes.setdefault(period, SpeedHash()).apply(self.group, update, self.seen, self.ring)

    def release(self, first_period: int) -> None:
        """What a flip lets go: periods that the current and the previous view hold."""
        self.first_period = max(self.first_period, first_period)
        self.hashes = {period: hash_ for period, hash_ in self.hashes.items() if period >= self.first_period}

    def read(self, batch: BatchValue | None, horizon: int, t_ms: int) -> GroupReading:
        """What serving answers; the hashes come out of Redis as bytes, and stay as they came out."""
        self.hashes = {period: SpeedHash.decode(hash_.encode()) for period, hash_ in sorted(self.hashes.items())}
        speed = [hash_ for period, hash_ in self.hashes.items() if period >= horizon]
        return read_group(self.group, "e", batch, speed, t_ms)


def by_period(
    counted: Iterable[Event], horizon: int, period_ms: int = PERIOD_MS
) -> tuple[list[Event], list[list[Event]]]:
    """Events that count, by side of the cut: the batch side's, and each period's of the speed side."""
    batch: list[Event] = []
    periods: dict[int, list[Event]] = {}
    for event in counted:
        period = event.append_ms // period_ms
        (batch if event.partition < 0 or period < horizon else periods.setdefault(period, [])).append(event)
    return batch, [events for _, events in sorted(periods.items())]


# --- strategies --------------------------------------------------------------------------------------------------


def values_of(seed: int) -> dict[str, Any]:
    """One value a column, now and then none, drawn from one number."""
    drawn = random.Random(seed)
    whole = drawn.choice([None, 0, drawn.randint(-5, 5), drawn.randint(-(2**56), 2**56)])
    money = drawn.choice([None, Fraction(drawn.randint(-300, 300), 100)])
    real = drawn.choice([None, 0.0, -0.0, 0.1, -1e-7, 1e12, any_real(drawn)])
    word = drawn.choice([None, "", "!", "a|b", "}x", "-0", "é\N{SNOWMAN}", any_text(drawn)])
    return {"whole": whole, "money": money, "real": real, "word": word}


def any_real(drawn: random.Random) -> float:
    """A number below a million of any size, from some that hardly count beside others."""
    return drawn.choice([drawn.uniform(-1e6, 1e6), math.ldexp(drawn.uniform(-1, 1), drawn.randint(-300, 19))])


def any_text(drawn: random.Random) -> str:
    """Up to three characters of all that text can hold."""
    planes = [(0, 0x80), (0, 0xD800), (0xE000, 0x110000)]
    return "".join(chr(drawn.randrange(*drawn.choice(planes))) for _ in range(drawn.randint(0, 3)))


@st.composite
def byte_rows(draw: st.DrawFn, least: int, most: int, *, width: int) -> list[bytes]:
    """Rows of some bytes each, in two draws: drawing every number by itself took longer than all that laws check.

    Zeros are what is simplest, so that a failure still shrinks.
    """
    count = draw(st.integers(least, most))
    drawn = draw(st.binary(min_size=width * count, max_size=width * count))
    return [drawn[place : place + width] for place in range(0, len(drawn), width)]


@st.composite
def logs(draw: st.DrawFn, *, files: bool = True, size: int = 24) -> list[Event]:
    """Events of one entity on two partitions and in files: late, early, tied, with copies, appended out of order."""
    events = []
    for partition in [0, 1] + ([-1] if files else []):
        offset, append = -1, PERIOD_MS // 2
        for step, later, copy, at, *seed in draw(byte_rows(size // 4, size, width=6)):
            offset += 1 + step % 3
            append = max(0, append + later % 46 - 15)
            unique = [None, None, "a", "b", "c"][copy % 5] if partition >= 0 else None
            values = values_of(int.from_bytes(seed))
            events.append(Event(partition, offset, append, at % 201, values=values, unique=unique))
    return events
