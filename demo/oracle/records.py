"""Raw records, read a second time: typed values, event time, and whether each counts.

1. Fields: a file's line by its header, a message as JSON; what cannot be read has no field.
2. Values: the declared null texts are nothing; integers, decimals (scaled integers, half up) and texts are read, and a
   text that is there but unreadable is a reason. Broken sensors are emptied. Required, smallest and greatest are kept.
3. Event time in UTC (`demo.moments`), not before the first year, not beyond append time plus tolerance; a reference
   has none.
4. Of what is accepted: files from `log_from` on, and messages before it, are duplicates; so is a later copy of a unique
   key, of the same entities, within the horizon of the copy last kept on its partition. Of a reference, the newest copy of a key counts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from demo import moments
from demo.oracle import delta
from demo.oracle.declared import Declared, duration_ms, moment_ms

BROKEN_SENSORS = {"wind_speed": 150, "wind_gust": 200}
"""Readings above these are no readings."""
PLACE = ("origin_kind", "partition", "offset", "append_ms")
RAW_COLUMNS = ["value", "header", "origin", "partition", "offset", "append_time_ms"]


def read_source(declared: Declared, source: str, tables: Path, data: Path) -> pl.DataFrame:
    """Return a source's raw records as the oracle understands them; one row a record, once a position.

    Columns: those declared (decimals as scaled integers), derived numbers, origin_kind, partition, offset, append_ms,
    period (-1 for files), event_ms, reason (null: accepted), duplicate (null: counts), unique.
    """
    raw = delta.read(tables / f"raw_{source}", RAW_COLUMNS)
    return understand(declared, source, raw, data)


def understand(declared: Declared, source: str, raw: pl.DataFrame, data: Path) -> pl.DataFrame:
    """Return raw records of a source (columns of RAW_COLUMNS) as `read_source` does."""
    section = declared.sources[source]
    raw = raw.unique(["origin", "partition", "offset"], keep="any").sort("partition", "offset")
    frame = _typed(_fields(raw, list(section["columns"])), section)
    if section.get("kind") == "reference":
        frame = frame.with_columns(event_ms=pl.lit(None, pl.Int64)).sort("partition", "offset")
    else:
        frame = _timed(frame, source, section, data)
    period = pl.when(pl.col("origin_kind") == "log").then(pl.col("append_ms") // declared.period_ms).otherwise(-1)
    return _marked(frame.with_columns(period=period, unique=_unique(declared, source)), section)


def _unique(declared: Declared, source: str) -> pl.Expr:
    """Return what two records of one event have in common: the unique key, and the entities that they are of."""
    keys = [pl.col(name).cast(pl.String) for name in declared.sources[source]["unique_key"]]
    entities = dict.fromkeys(group.keys for group in declared.groups if group.source == source)
    own = [pl.concat_str([pl.col(name).cast(pl.String) for name in columns], separator="|") for columns in entities]
    return pl.concat_str([*keys, *(key.fill_null("%") for key in own)], separator="|")


def _fields(raw: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    place = raw.select("partition", "offset", origin_kind="origin", append_ms="append_time_ms")
    texts = []
    for header, rows in raw.with_row_index("_row").group_by("header"):
        part = rows.sort("_row")
        read = _lines(None if header[0] is None else str(header[0]), part["value"])
        wanted = [pl.col(name) if name in read.columns else pl.lit(None, pl.String).alias(name) for name in names]
        texts.append(read.select(*wanted, "broken").with_columns(part["_row"]))
    fields = pl.concat(texts).sort("_row").drop("_row")
    return pl.concat([place, fields], how="horizontal")


def _lines(header: str | None, values: pl.Series) -> pl.DataFrame:
    """Return one row of texts a record, and whether it is broken; without a header they are JSON."""
    if header is None:
        read = [_message(value) for value in values]
        names = sorted({name for fields in read for name in fields or {}})
        columns = {name: pl.Series([(fields or {}).get(name) for fields in read], dtype=pl.String) for name in names}
        return pl.DataFrame({**columns, "broken": [fields is None for fields in read]})
    text = b"\n".join([header.encode(), *values.to_list()])
    read_csv = pl.read_csv(text, infer_schema=False)
    if read_csv.height != len(values):
        raise ValueError(f"raw lines under {header!r}: expected {len(values)} records, found {read_csv.height}")
    return read_csv.with_columns(broken=pl.lit(value=False))


def _message(value: bytes) -> dict[str, str | None] | None:
    try:
        said = orjson.loads(value)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(said, dict):
        return None
    return {
        name: part if part is None or isinstance(part, str) else orjson.dumps(part).decode()
        for name, part in said.items()
    }


def _typed(frame: pl.DataFrame, section: dict[str, Any]) -> pl.DataFrame:
    nothing = list(section.get("null_values", [""]))
    reasons = [pl.when(pl.col("broken")).then(pl.lit("broken")).otherwise(None)]
    for name, column in section["columns"].items():
        text = frame[name].set(frame[name].is_in(nothing), None)
        value = _numbers(text, column) if column["type"] != "string" else text
        if name in BROKEN_SENSORS:
            value = value.set(value > BROKEN_SENSORS[name] * 10 ** column.get("scale", 0), None)
        unreadable = text.is_not_null() & value.is_null() & (name not in BROKEN_SENSORS)
        frame = frame.with_columns(value.alias(name), unreadable.alias(f"_{name}"))
        reasons.append(pl.when(pl.col(f"_{name}")).then(pl.lit(f"{name} unreadable")).otherwise(None))
        reasons += _bounds(name, column)
    reason = pl.coalesce(*reasons, pl.lit(None, pl.String))
    return frame.with_columns(reason=reason).drop([f"_{name}" for name in section["columns"]], "broken")


def _numbers(text: pl.Series, column: dict[str, Any]) -> pl.Series:
    if column["type"] == "integer":
        return text.cast(pl.Int64, strict=False)
    if column["type"] != "decimal":
        raise ValueError(f"the oracle reads integer, decimal and string; found {column['type']!r}")
    scaled = {entry: _scaled(entry, column.get("scale", 0)) for entry in text.unique() if entry is not None}
    return text.replace_strict(scaled, default=None, return_dtype=pl.Int64)


def _scaled(text: str, scale: int) -> int | None:
    try:
        number = Decimal(text)
        return int((number * 10**scale).quantize(Decimal(1), ROUND_HALF_UP)) if number.is_finite() else None
    except InvalidOperation:
        return None


def _bounds(name: str, column: dict[str, Any]) -> list[pl.Expr]:
    value, step = pl.col(name), 10 ** column.get("scale", 0)
    if column["type"] == "string":
        broken = [(value.is_null(), "missing")] if column.get("required") else []
    else:
        broken = [
            (value.is_null() & bool(column.get("required")), "missing"),
            (value < column.get("min", float("-inf")) * step, "below its least"),
            (value > column.get("max", float("inf")) * step, "above its greatest"),
        ]
    return [pl.when(condition).then(pl.lit(f"{name} {why}")).otherwise(None) for condition, why in broken]


def _timed(frame: pl.DataFrame, source: str, section: dict[str, Any], data: Path) -> pl.DataFrame:
    """Return the records with event_ms and what is derived; without a usable time a record has a reason."""
    sound = frame["reason"].is_null()
    timed = pl.concat([_moments(frame.filter(sound), source, data), frame.filter(~sound)], how="diagonal")
    first_ms = int(datetime(section["first_year"], 1, 1, tzinfo=UTC).timestamp() * 1000)
    tolerance_ms = duration_ms(section.get("tolerance", "5 minutes"))
    reason = pl.coalesce(
        "reason",
        pl.when(pl.col("event_ms").is_null()).then(pl.lit("no event time")),
        pl.when(pl.col("event_ms") < first_ms).then(pl.lit("before the first year")),
        pl.when(pl.col("event_ms") > pl.col("append_ms") + tolerance_ms).then(pl.lit("in the future")),
        pl.when(_off_the_clock()).then(pl.lit("delay_agrees_with_clock")) if source == "departures" else pl.lit(None),
    )
    return timed.with_columns(reason=reason).sort("partition", "offset")


def _off_the_clock() -> pl.Expr:
    """Tell whether planned local time and delay, in minutes of the day, miss the local time of the departure."""
    planned, left = (pl.col(name) // 100 * 60 + pl.col(name) % 100 for name in ("sched_dep_time", "dep_time"))
    return (planned + pl.col("dep_delay") - left) % 1440 != 0


def _moments(sound: pl.DataFrame, source: str, data: Path) -> pl.DataFrame:
    if source == "weather":
        return sound.with_columns(event_ms=moments.observed())
    if source == "schedule":
        return sound.with_columns(event_ms=moments.planned_departure())
    departed = sound.with_columns(departure_ms=moments.departure())
    if source == "departures":
        return departed.with_columns(event_ms="departure_ms")
    airports = pl.read_csv(data / "airports.csv", infer_schema=False)
    landed = moments.with_arrivals(departed, airports).rename({"arrival_ms": "event_ms"})
    return landed.with_columns(gained=pl.col("arr_delay") - pl.col("dep_delay"))


def _marked(frame: pl.DataFrame, section: dict[str, Any]) -> pl.DataFrame:
    duplicate = pl.lit(None, pl.String)
    if section.get("log_from"):
        from_log = pl.col("event_ms") >= moment_ms(section["log_from"])
        twice = ((pl.col("origin_kind") == "file") & from_log) | ((pl.col("origin_kind") == "log") & ~from_log)
        duplicate = pl.when(pl.col("reason").is_null() & twice).then(pl.lit("log_from"))
    frame = frame.with_columns(duplicate=duplicate)
    counted = frame.filter(pl.col("reason").is_null() & pl.col("duplicate").is_null())
    if section.get("kind") == "reference":
        newest = counted.sort("append_ms", "partition", "offset", descending=[True, False, False])
        later = newest.filter(~pl.col("unique").is_first_distinct())
        return _with_copies(frame, later.select("partition", "offset", copy=pl.lit("unique_key")))
    repeated = counted.filter(pl.struct("unique", "partition").is_duplicated()).sort("partition", "offset")
    return _with_copies(frame, _copies(repeated, duration_ms(section.get("duplicate_horizon", "1h"))))


def _with_copies(frame: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    marked = frame.join(copies, on=["partition", "offset"], how="left", maintain_order="left")
    return marked.with_columns(duplicate=pl.coalesce("duplicate", "copy")).drop("copy")


def _copies(repeated: pl.DataFrame, horizon_ms: int) -> pl.DataFrame:
    """Return the positions of later copies, from records in order of their offsets."""
    kept: dict[tuple[str, int], int] = {}
    later = []
    for unique, *place, append_ms in repeated.select("unique", "partition", "offset", "append_ms").iter_rows():
        last = kept.get((unique, place[0]))
        if last is not None and append_ms - last <= horizon_ms:
            later.append((*place, "unique_key"))
        else:
            kept[unique, place[0]] = append_ms
    places = repeated.schema["partition"], repeated.schema["offset"]
    frame = pl.DataFrame(later, schema=["partition", "offset", "copy"], orient="row")
    return frame.cast({"partition": places[0], "offset": places[1], "copy": pl.String})
