"""When an event happened, in UTC, from local clocks without a zone: the airports' own reading of their clocks.

Computed here without a word of the product, which has its own expressions in YAML; both must agree on every row.

1. Planned departure: the planned local time on the planned day, in New York.
2. Departure: the planned one, moved by the delay in minutes.
3. Arrival: the first instant after the departure at which the destination's clocks show the arrival time (2400 is
   midnight, the end of that day).

Times are milliseconds since 1970-01-01 UTC; delays are minutes; local times are HHMM as an integer.
"""

from __future__ import annotations

import polars as pl

ORIGIN_ZONE = "America/New_York"
ZONES_NOT_IN_AIRPORTS = {
    "BQN": "America/Puerto_Rico",
    "PSE": "America/Puerto_Rico",
    "SJU": "America/Puerto_Rico",
    "STT": "America/St_Thomas",
}


def planned_departure() -> pl.Expr:
    """Return the planned departure, from year, month, day and sched_dep_time (integers)."""
    local = pl.datetime("year", "month", "day", time_unit="ms") + _hhmm("sched_dep_time")
    return _instant(local, ORIGIN_ZONE).alias("planned_ms")


def departure() -> pl.Expr:
    """Return the departure, from what `planned_departure` needs and dep_delay; null while it has not left."""
    return (planned_departure() + pl.col("dep_delay").cast(pl.Int64) * 60_000).alias("departure_ms")


def with_arrivals(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """Return the flights with `arrival_ms`; null where no arrival time or no zone is known.

    Args:
        flights: one row a flight, with departure_ms, dest and arr_time.
        airports: one row an airport, with faa and tzone (text; anything that is no zone's name means unknown).
    """
    zones = {code: zone for code, zone in airports.select("faa", "tzone").iter_rows() if zone and "/" in zone}
    zones = {**zones, **ZONES_NOT_IN_AIRPORTS}
    with_zone = flights.with_row_index("_row").with_columns(
        pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String).alias("_zone")
    )
    known = pl.col("_zone").is_not_null() & pl.col("arr_time").is_not_null() & pl.col("departure_ms").is_not_null()
    landed = [_land(part, str(part["_zone"][0])) for part in with_zone.filter(known).partition_by("_zone")]
    empty = with_zone.clear().select("_row", arrival_ms=pl.lit(None, pl.Int64))
    arrivals = pl.concat([empty, *(part.select("_row", "arrival_ms") for part in landed)])
    return with_zone.join(arrivals, on="_row", how="left", maintain_order="left").drop("_row", "_zone")


def observed() -> pl.Expr:
    """Return the time of an observation, from time_hour (ISO 8601 in UTC, as text); null where it is unreadable."""
    text = pl.col("time_hour").str.strip_suffix("Z")
    return text.str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="ms", strict=False).dt.epoch("ms").alias("observed_ms")


def _land(flights: pl.DataFrame, zone: str) -> pl.DataFrame:
    """Return flights to one zone with their arrivals: the earliest of the candidates that lies after the departure.

    Candidates are the arrival time on the day of the departure (at the destination) and on the next, each at the
    first and, when clocks are set back, at the second time that they show it.
    """
    day = pl.from_epoch("departure_ms", time_unit="ms").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    candidates = [
        _instant(day.dt.truncate("1d").dt.offset_by(f"{later}d") + _hhmm("arr_time"), zone, which)
        for later in (0, 1)
        for which in ("earliest", "latest")
    ]
    after = [pl.when(moment > pl.col("departure_ms")).then(moment) for moment in candidates]
    return flights.with_columns(arrival_ms=pl.min_horizontal(after))


def _hhmm(column: str) -> pl.Expr:
    time = pl.col(column).cast(pl.Int64)
    return pl.duration(hours=time // 100, minutes=time % 100, time_unit="ms")


def _instant(local: pl.Expr, zone: str, which: str = "earliest") -> pl.Expr:
    """Return the instant at which the zone's clocks show a local time.

    In the hour that they skip, the instant at which they would have shown it, had nobody set them.
    """
    skipped = _shown(local.dt.offset_by("1h"), zone, which)
    return pl.coalesce(_shown(local, zone, which), skipped)


def _shown(local: pl.Expr, zone: str, which: str) -> pl.Expr:
    return local.dt.replace_time_zone(zone, ambiguous=pl.lit(which), non_existent="null").dt.epoch("ms")
