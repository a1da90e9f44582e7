import json

import polars as pl
import pytest

from demo import plants, sources
from demo.sources import Airports, stream, to_ms, write_files


@pytest.fixture(scope="module")
def airports() -> Airports:
    return Airports()


@pytest.fixture(scope="module")
def day(airports):
    return stream(airports, 1)


def test_files_and_stream_part_at_the_cut_and_lose_nothing(airports, tmp_path):
    rows = write_files(airports, tmp_path)
    sent = stream(airports, 40)

    for source in sources.EVENT_SOURCES:
        whole = airports.events(source).height
        assert rows[source] + sum(record.source == source for record in sent) == whole
    assert rows == {
        "schedule": 308_497,
        "weather": 23_956,
        "departures": 301_267,
        "arrivals": 300_679,
        "planes": 3_322,
        "airports": 1_458,
        "airlines": 16,
    }


def test_no_file_holds_an_event_at_or_after_the_cut(airports, tmp_path):
    write_files(airports, tmp_path, "2013-01-03T00:00:00Z")
    observed = pl.read_csv(tmp_path / "weather.csv", infer_schema=False)["time_hour"]

    assert observed.max() == "2013-01-02T23:00:00Z"


def test_messages_come_in_the_order_of_their_events(day):
    moments = [record.event_ms for record in day]

    assert moments == sorted(moments)
    assert to_ms(sources.CUT) <= moments[0]
    assert moments[-1] < to_ms(sources.CUT) + sources.DAY_MS


def test_a_departure_says_nothing_of_its_arrival(day):
    said = {name for record in day if record.source == "departures" for name in json.loads(record.value)}

    assert said == set(sources.DEPARTED)


def test_the_same_replay_is_the_same_bytes(airports, day):
    assert stream(airports, 1) == day
    assert plants.plant(stream(airports, 1)) == plants.plant(day)


def test_plants_are_declared_and_the_truth_is_sent_beside_them(day):
    sent = plants.plant(day)

    assert [record for record in sent if record.kind == "record"] == list(day)
    for source, kinds in plants.tally(sent).items():
        assert (kinds["duplicate"], kinds["poison"]) == (plants.DUPLICATES_A_SOURCE, len(plants.POISON[source]))


def test_a_copy_follows_its_first_with_the_same_key_and_bytes(day):
    sent = plants.plant(day)

    for place, record in enumerate(sent):
        if record.kind == "duplicate":
            earlier = [first for first in sent[:place] if first.kind == "record" and first.key == record.key]
            assert record.value in {first.value for first in earlier if first.source == record.source}
