"""The shipped departures, a batch a day: a month of history, twenty clean days that raise nothing, and planted faults.

The thresholds are the defaults of `condition`. All days are measured in one pass; what is compared afterwards is pure.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import random
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa
import pytest

from batch_layer.preparation.condition.findings import Finding
from batch_layer.preparation.condition.judging import Judge
from batch_layer.preparation.condition.keeping import ordered
from batch_layer.preparation.condition.measuring import SHAPE
from batch_layer.preparation.condition.profiling import profiles_of
from demo.sources import COLUMNS, Airports, package_folder
from lambda_core.cleaning import clean, read_fields
from lambda_core.config.loading import load_project

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from batch_layer.preparation.condition.profile import Profile

PROJECT = load_project(Path(__file__).resolve().parents[3] / "conf" / "flights")
SOURCE = "departures"
FIELDS = COLUMNS[SOURCE]
HISTORY, CLEAN, LATER = ("2013-09-01", "2013-09-30"), ("2013-10-01", "2013-10-20"), ("2013-10-21", "2013-11-05")
RECORD = pa.schema(
    {
        "value": pa.binary(),
        "header": pa.string(),
        "partition": pa.int32(),
        "offset": pa.int64(),
        "append_time_ms": pa.int64(),
        "batch_id": pa.string(),
    }
)
Day = list[dict[str, str]]


def by_draw(share: float, change: Callable[[dict[str, str]], object]) -> Callable[[Day], None]:
    """Change this share of a day's records."""

    def plant(day: Day) -> None:
        draw = random.Random(7)
        for row in day:
            if draw.random() < share:
                change(row)

    return plant


def kilometres(row: dict[str, str]) -> None:
    row["distance"] = str(round(int(row["distance"]) * 1.609344))


def shifted(row: dict[str, str]) -> None:
    """Everything from the carrier on stands one field further to the right."""
    values = [row[name] for name in FIELDS]
    place = FIELDS.index("carrier")
    moved = [*values[:place], "", *values[place:-1]]
    row.update(zip(FIELDS, moved, strict=True))


def in_utc(row: dict[str, str]) -> None:
    for name in ("sched_dep_time", "dep_time"):
        row[name] = str((int(row[name]) + 400) % 2400 or 2400)


def stuck(row: dict[str, str]) -> None:
    row.update(dep_delay="0", dep_time=row["sched_dep_time"])


def only_of(origin: str) -> Callable[[Day], None]:
    def plant(day: Day) -> None:
        day[:] = [row for row in day if row["origin"] == origin]

    return plant


def renamed(day: Day) -> None:
    for row in day:
        row["departure_delay"] = row.pop("dep_delay")


FAULTS: dict[str, tuple[Callable[[Day], None], str, str]] = {
    "a unit changed": (by_draw(1, kilometres), "mean", "distance"),
    "a column shifted": (by_draw(1, shifted), "unreadable", "flight"),
    "a share of nulls": (by_draw(0.3, lambda row: row.update(tailnum="NA")), "missing", "tailnum"),
    "a new category": (by_draw(0.1, lambda row: row.update(origin="PHL")), "categories", "origin"),
    "a batch cut off": (lambda day: day.__delitem__(slice(90, None)), "rows", ""),
    "a schema change": (renamed, "fields", ""),
    "a time zone slip": (by_draw(1, in_utc), "distribution", "departure"),
    "another form": (by_draw(0.5, lambda row: row.update(tailnum=f"N-{row['tailnum'][1:]}")), "formats", "tailnum"),
    "values out of bounds": (
        by_draw(0.05, lambda row: row.update(distance=row["distance"] + "00")),
        "unreadable",
        "distance",
    ),
    "a sensor that is stuck": (by_draw(1, stuck), "distribution", "dep_delay"),
    "one of three producers alone": (only_of("JFK"), "distribution", "origin"),
    "another encoding": (by_draw(0.1, lambda row: row.update(tailnum="\udcff")), "refused", ""),
    "another year": (by_draw(1, lambda row: row.update(year="2014")), "refused", ""),
}
"""What is planted into a day of its own -> how, and the check and column that have to name it."""
AGAIN = "a duplicated day"


@pytest.fixture(scope="module")
def days() -> dict[str, Day]:
    flights = Airports().events(SOURCE).filter(pl.col("year") == "2013", pl.col("month").is_in(["9", "10", "11"]))
    found: dict[str, Day] = {}
    for row in flights.select(FIELDS).iter_rows(named=True):
        date = dt.date(int(row["year"]), int(row["month"]), int(row["day"])).isoformat()
        found.setdefault(date, []).append({name: "NA" if text is None else text for name, text in row.items()})
    return dict(sorted(found.items()))


@pytest.fixture(scope="module")
def measured(spark: SparkSession, days: dict[str, Day]) -> dict[str, Profile]:
    """Every batch's profile, by day, or by what was planted into it."""
    batches = {day: rows for day, rows in days.items() if HISTORY[0] <= day <= CLEAN[1]}
    spare = [rows for day, rows in days.items() if LATER[0] <= day <= LATER[1]]
    for (name, (plant, _, _)), rows in zip(FAULTS.items(), spare, strict=False):
        batches[name] = [dict(row) for row in rows]
        plant(batches[name])
    # In another order, so that it is not the same content, and without its last record.
    batches[AGAIN] = days[CLEAN[1]][-2::-1]
    shapes: dict[str, None] = {}
    records, offset = [], 0
    for number, (batch, rows) in enumerate(batches.items()):
        header, *lines = as_csv(rows)
        shapes[header] = None
        appended = int(dt.datetime(2013, 9, 2, 10, tzinfo=dt.UTC).timestamp() * 1000) + number * 86_400_000
        for line in lines:
            records.append((line.encode("utf-8", "surrogateescape"), header, -1, offset, appended, batch))
            offset += 1
    columns = [pa.array(column, field.type) for column, field in zip(zip(*records, strict=True), RECORD, strict=True)]
    frame = spark.createDataFrame(pa.table(columns, RECORD)).repartition(3)
    place = " ".join(f"when header = '{header}' then {at}" for at, header in enumerate(shapes))
    source = PROJECT.sources[SOURCE]
    read = read_fields(source, frame.selectExpr("*", f"case {place} end as {SHAPE}"), list(shapes), objects=False)
    planes = spark.createDataFrame(
        [(row["tailnum"], None, None) for row in csv.DictReader((package_folder() / "planes.csv").open())],
        "tailnum string, year bigint, seats bigint",
    )
    return ordered(profiles_of(source, clean(PROJECT, SOURCE, read, {"planes": planes}), list(shapes)))


def as_csv(rows: Day) -> list[str]:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().splitlines()


def judged(measured: dict[str, Profile], batch: str, until: str) -> list[Finding]:
    past = [one for day, one in measured.items() if day in clean_days(measured) and day < until]
    return Judge(SOURCE, PROJECT.sources[SOURCE]).judge(batch, measured[batch], past)


def clean_days(measured: dict[str, Profile]) -> list[str]:
    return [day for day in measured if day.startswith("2013-")]


def test_twenty_clean_days_raise_nothing(measured):
    days = [day for day in clean_days(measured) if CLEAN[0] <= day]

    found = [one.sentence for day in days for one in judged(measured, day, until=day)]

    assert len(days) == 20
    assert found == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_planted_fault_is_named(measured, name: str):
    _, check, where = FAULTS[name]

    found = judged(measured, name, until="2014")

    (sentence,) = [one.sentence for one in found if (one.check, one.where) == (check, where)]
    assert sentence.startswith(f"source {SOURCE}, batch {name}: {f'{where}: ' if where else ''}expected ")
    assert ", found " in sentence
    assert "; " in sentence


def test_a_day_that_is_sent_again_is_named(measured):
    found = judged(measured, AGAIN, until="2014")

    assert [one.check for one in found] == ["repeated"]
    assert "the same data was sent again" in found[0].sentence


def test_without_a_history_only_what_needs_none_is_told(measured):
    judge = Judge(SOURCE, PROJECT.sources[SOURCE])

    for name, (_, check, _) in FAULTS.items():
        found = {one.check for one in judge.judge(name, measured[name], [])}
        assert found <= {"fields", "refused", "unreadable"}
        assert check not in {"fields", "refused", "unreadable"} or check in found
