"""The shipped project's own gate: each of its expectations is seen to fail, on rows that its row rules let through."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pyspark.sql import types

from batch_layer.preparation.gate import check_expectations
from lambda_core.bootstrap import assemble
from lambda_core.cleaning import clean, read_fields
from lambda_core.cleaning.conversions import spark_type
from lambda_core.cleaning.references import references_of
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_project
from lambda_core.errors import GateError
from lambda_core.schemas.tables import prepared

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

PROJECT = load_project(Path(__file__).resolve().parents[3] / "conf" / "flights")
NOW_MS = 1_400_000_000_000
SETTINGS = {
    "spark.sql.ansi.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
RECORD = "value binary, `partition` int, `offset` bigint, append_time_ms bigint"

_PLANNED = {"year": 2013, "month": 12, "day": 2, "sched_dep_time": 515, "sched_arr_time": 819, "carrier": "UA",
            "origin": "EWR", "dest": "A00", "distance": 1400}  # fmt: skip
_LEFT = {**_PLANNED, "tailnum": "N00000", "dep_time": 517, "dep_delay": 2}
GOOD = {
    "airports": {"name": "Bush", "lat": 29.98, "lon": -95.34, "alt": 97, "tz": -6, "dst": "A", "tzone": "America/Chicago"},
    "airlines": {"name": "United"},
    "planes": {"year": 1999, "manufacturer": "BOEING", "engines": 2, "seats": 149},
    "schedule": _PLANNED,
    "departures": _LEFT,
    "arrivals": {**_LEFT, "arr_time": 830, "arr_delay": 11, "air_time": 227},
    "weather": {"origin": "EWR", "temp": 39.02, "wind_speed": 10.357, "precip": 0, "pressure": 1012, "visib": 10},
}  # fmt: skip
"""A record of each source but for the column that `NUMBERED` fills."""
NUMBERED = {
    "airports": ("faa", "A{:02}"),
    "airlines": ("carrier", "{:02}"),
    "planes": ("tailnum", "N{:05}"),
    "weather": ("time_hour", "2013-12-02T{:02}:00:00Z"),
    **dict.fromkeys(("schedule", "departures", "arrivals"), ("flight", "{}")),
}
"""Source -> a column of its unique key, and what makes every record one of its own."""

_ORIGIN = ("column_values_to_be_in_set", "origin")
PLANTED = {
    ("airports", "column_values_to_not_be_null", "tzone"): {"tzone": "\\N"},
    ("airlines", "column_value_lengths_to_equal", "carrier"): {"carrier": "UAL"},
    ("planes", "column_values_to_be_between", "seats"): {"seats": 0},
    ("schedule", *_ORIGIN): {"origin": "PHL"},
    ("departures", *_ORIGIN): {"origin": "PHL"},
    ("departures", "column_mean_to_be_between", "dep_delay"): {"dep_time": 714, "dep_delay": 2_999},
    ("departures", "column_values_to_not_be_null", "tailnum"): {"tailnum": "NA"},
    ("arrivals", "column_mean_to_be_between", "arr_delay"): {"arr_delay": 2_999},
    ("arrivals", "column_values_to_not_be_null", "arr_delay"): {"arr_delay": "NA"},
    ("weather", *_ORIGIN): {"origin": "PHL"},
    ("weather", "column_mean_to_be_between", "temp"): {"temp": -80},
}
"""(source, expectation, column) -> what a record says that makes the expectation fail."""
REFUSED = {("departures", "delay_agrees_with_clock"): {"dep_delay": 3}}
"""(source, row rule) -> what a record says that the rule refuses."""


@pytest.fixture(scope="module")
def interpreted(spark) -> Iterator[SparkSession]:
    """The session without generated code, which costs seconds a source and saves nothing on a handful of rows."""
    before = {name: spark.conf.get(name) for name in SETTINGS}
    for name, value in SETTINGS.items():
        spark.conf.set(name, value)
    yield spark
    for name, value in before.items():
        spark.conf.set(name, value)


@pytest.fixture(scope="module")
def cleaned(interpreted) -> dict[str, list[Row]]:
    """What each source's records become: two good ones, then those of PLANTED, then those of REFUSED; in this order."""
    found: dict[str, list[Row]] = {}
    for name, source in PROJECT.sources.items():
        column, form = NUMBERED[name]
        said = [{column: form.format(place), **GOOD[name], **change} for place, change in enumerate(changes(name))]
        rows = [(bytearray(json.dumps(one).encode()), 0, place, NOW_MS) for place, one in enumerate(said)]
        record = read_fields(source, interpreted.createDataFrame(rows, RECORD).coalesce(1))
        references = {other: frame_of(interpreted, other, found[other][:1]) for other in references_of(PROJECT, name)}
        found[name] = sorted(clean(PROJECT, name, record, references).collect(), key=lambda row: row["offset"])
    return found


def changes(source: str) -> list[dict[str, object]]:
    return [{}, {}, *of_source(PLANTED, source), *of_source(REFUSED, source)]


def of_source(planted: dict, source: str) -> list[dict[str, object]]:
    return [change for key, change in planted.items() if key[0] == source]


def frame_of(spark, source: str, rows: list[Row]) -> DataFrame:
    """Prepared rows: the source's typed columns, and `duplicate`."""
    fields = [types.StructField(name, spark_type(one)) for name, one in PROJECT.sources[source].all_columns.items()]
    schema = types.StructType([*fields, types.StructField("duplicate", types.StringType())])
    return spark.createDataFrame([tuple(row[name] for name in schema.names) for row in rows], schema).coalesce(1)


@dataclass
class Frames:
    """Tables at hand: the gate reads them, and keeps what it found in their folder."""

    frames: dict[str, DataFrame]
    below: Path

    def read(self, name: str, version: int) -> DataFrame:
        del version
        return self.frames[name]

    def version(self, name: str) -> int:
        del name
        return 0

    def folder(self, name: str) -> Path:
        return self.below / name


@pytest.fixture
def gate(interpreted, tmp_path, cleaned) -> Callable[[int | None], tuple[str, ...]]:
    """Hold the first rows of every source, so many of each, to the expectations; None: the good and the planted ones."""

    def check(count: int | None) -> tuple[str, ...]:
        frames = {
            prepared(name): frame_of(interpreted, name, rows[: count or 2 + len(of_source(PLANTED, name))])
            for name, rows in cleaned.items()
        }
        context = assemble(PROJECT, Environment(state=tmp_path), FixedClock(0))
        context.builders |= {"spark": lambda _: interpreted, "tables": lambda _: Frames(frames, tmp_path / str(count))}
        return check_expectations(context, list(PROJECT.sources))

    return check


def told(lines: Iterable[str]) -> list[str]:
    return sorted(line.partition(", found ")[0] for line in lines)


def test_what_is_planted_gets_past_types_bounds_and_row_rules(cleaned):
    """Else no row could ever make the expectation fail, and it would say nothing."""
    usable = {name: rows[: 2 + len(of_source(PLANTED, name))] for name, rows in cleaned.items()}

    assert [(name, row["reasons"]) for name, rows in usable.items() for row in rows if row["reasons"]] == []
    assert {row["duplicate"] for rows in usable.values() for row in rows} == {None}


def test_good_rows_pass_every_expectation(gate):
    assert gate(2) == ()


def test_every_expectation_fails_on_what_is_planted_and_says_which_it_was(gate):
    expected = [
        f"source {name}: expected {one.expect} of {one.arguments['column']} "
        f"{ {key: value for key, value in one.arguments.items() if key != 'column'} or '' }"
        for name, source in PROJECT.sources.items()
        for one in source.expectations
    ]

    with pytest.raises(GateError) as failed:
        gate(None)

    assert told(str(failed.value).splitlines()) == sorted(expected)
    assert len(PLANTED) == len(expected)


def test_every_row_rule_refuses_what_is_planted_and_says_which_it_was(cleaned):
    declared = {(name, rule.name): rule.rule for name, source in PROJECT.sources.items() for rule in source.row_rules}

    refused = {
        name: [row["reasons"] for row in rows[2 + len(of_source(PLANTED, name)) :]] for name, rows in cleaned.items()
    }

    assert {name: reasons for name, reasons in refused.items() if reasons} == {
        name: [[f"row rule {rule}: expected {declared[name, rule]}, found it false"]] for name, rule in REFUSED
    }
    assert set(REFUSED) == set(declared)
