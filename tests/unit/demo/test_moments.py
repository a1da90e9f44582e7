from datetime import UTC, datetime

import polars as pl
import pytest

from demo import moments

AIRPORTS = pl.DataFrame(
    {"faa": ["LAX", "PBI", "BOS"], "tzone": ["America/Los_Angeles", "America/New_York", "America/New_York"]}
)


def flight(day: tuple[int, int], sched: int, delay: int, dest: str, arr: int | None) -> pl.DataFrame:
    row = {"year": 2013, "month": day[0], "day": day[1], "sched_dep_time": sched, "dep_delay": delay, "dest": dest}
    frame = pl.DataFrame(
        {**{name: [value] for name, value in row.items()}, "arr_time": pl.Series([arr], dtype=pl.Int64)}
    )
    return frame.with_columns(moments.planned_departure(), moments.departure())


def instant(milliseconds: int) -> str:
    return datetime.fromtimestamp(milliseconds / 1000, UTC).strftime("%d %H:%M")


def test_a_departure_is_the_planned_local_time_moved_by_its_delay():
    frame = flight((1, 1), 515, 2, "LAX", None)

    assert (instant(frame["planned_ms"][0]), instant(frame["departure_ms"][0])) == ("01 10:15", "01 10:17")


def test_summer_time_moves_the_planned_departure():
    assert instant(flight((7, 1), 515, 0, "LAX", None)["planned_ms"][0]) == "01 09:15"


@pytest.mark.parametrize(
    ("what", "row", "expected"),
    [
        ("on the same day, in another zone", ((1, 1), 900, 0, "LAX", 1215), "01 20:15"),
        ("after midnight", ((1, 1), 2300, 0, "BOS", 5), "02 05:05"),
        ("at midnight, written 2400", ((1, 1), 2250, 0, "BOS", 2400), "02 05:00"),
        ("delayed into the next day", ((1, 1), 2300, 120, "BOS", 205), "02 07:05"),
        ("at an airport that the table lacks", ((1, 1), 900, 0, "SJU", 1400), "01 18:00"),
        ("in the hour that clocks skip", ((3, 9), 2145, 81, "PBI", 203), "10 07:03"),
        ("in the second of two equal hours", ((11, 3), 30, 75, "BOS", 110), "03 06:10"),
    ],
)
def test_an_arrival_is_the_first_time_the_clocks_there_show_it_after_the_departure(what, row, expected):
    landed = moments.with_arrivals(flight(*row), AIRPORTS)

    assert instant(landed["arrival_ms"][0]) == expected, what


@pytest.mark.parametrize(("dest", "arr"), [("XXX", 900), ("LAX", None)])
def test_without_a_zone_or_a_time_there_is_no_arrival(dest, arr):
    assert moments.with_arrivals(flight((1, 1), 900, 0, dest, arr), AIRPORTS)["arrival_ms"].to_list() == [None]


def test_an_unreadable_observation_time_is_no_time():
    frame = pl.DataFrame({"time_hour": ["2013-01-01T06:00:00Z", "yesterday", None]})

    assert frame.select(moments.observed())["observed_ms"].to_list() == [1_357_020_000_000, None, None]
