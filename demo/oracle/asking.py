"""The asking events: which entities they ask for, at which t, and what they know themselves."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from demo.oracle.declared import Declared
from demo.oracle.timelines import Value

YEARS_BUILT, SEATS, ENGINES = (1900, 2014), (0, 900), (0, 8)
"""Planes outside these are not known: their record is refused."""

_ESCAPES = {ord(character): f"%{ord(character):02X}" for character in "%|{}:"}


def asking_events(records: pl.DataFrame) -> dict[tuple[int, int], dict[str, Any]]:
    """Return the asking source's messages by (partition, offset); duplicates ask too, refused records do not."""
    asking = records.filter((pl.col("origin_kind") == "log") & pl.col("reason").is_null())
    return {(row["partition"], row["offset"]): row for row in asking.iter_rows(named=True)}


def read_planes(data: Path) -> dict[str, tuple[int | None, int | None]]:
    """Return (year built, seats) by tail number."""
    planes = {}
    text = pl.read_csv(data / "planes.csv", infer_schema=False, null_values=["", "NA"])
    for row in text.select("tailnum", "year", "seats", "engines").iter_rows():
        year, seats, engines = (None if part is None else int(part) for part in row[1:])
        limits = ((year, YEARS_BUILT), (seats, SEATS), (engines, ENGINES))
        if all(number is None or low <= number <= high for number, (low, high) in limits):
            planes[row[0]] = (year, seats)
    return planes


def own_values(event: dict[str, Any], planes: dict[str, tuple[int | None, int | None]]) -> dict[str, Value]:
    """Return what a departure knows by itself: the vector's request features."""
    built, seats = planes.get(event["tailnum"] or "", (None, None))
    leaves, lands = (event[name] // 100 * 60 + event[name] % 100 for name in ("sched_dep_time", "sched_arr_time"))
    return {
        "dep_delay": event["dep_delay"],
        "scheduled_hour": event["sched_dep_time"] // 100,
        "weekday": date(event["year"], event["month"], event["day"]).isoweekday(),
        "distance": event["distance"],
        "scheduled_minutes": (lands - leaves) % 1440,
        "plane_age": None if built is None else event["year"] - built,
        "seats": seats,
    }


def entity_of(declared: Declared, group: str, event: dict[str, Any]) -> str | None:
    """Return the canonical key of the entity that an event asks a group for."""
    keys = next(entry.keys for entry in declared.groups if entry.name == group)
    parts = [event[key] for key in keys]
    if any(part is None for part in parts):
        return None
    return "|".join(str(part).translate(_ESCAPES) for part in parts)
