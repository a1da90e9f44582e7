"""The oracle is itself judged: by loops that anyone can read, and by faults that it has to find."""

import copy
import json
import random
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from demo.oracle import declared, delta, records
from demo.oracle.accounts import Account, accounts, disagreements
from demo.oracle.comparing import Oracle, compare, entity_of
from demo.oracle.timelines import Reach
from demo.oracle.training import compare_training
from demo.sources import Airports, as_record

CONF = Path(__file__).resolve().parents[3] / "conf" / "flights"
NOW_MS = 1_800_000_000_000
MINUTE_MS = 60_000
HORIZON = NOW_MS // MINUTE_MS + 1
SCHEMA = {
    "value": pl.Binary,
    "header": pl.String,
    "origin": pl.String,
    "partition": pl.Int32,
    "offset": pl.Int64,
    "append_time_ms": pl.Int64,
}
AGGREGATES = {
    "count": len,
    "sum": lambda values: float(sum(values)) if values else None,
    "mean": lambda values: float(sum(values) / len(values)) if values else None,
    "variance": lambda values: (
        float((sum(v * v for v in values) - sum(values) ** 2 / len(values)) / (len(values) - 1))
        if len(values) > 1
        else None
    ),
    "min": lambda values: float(min(values)) if values else None,
    "max": lambda values: float(max(values)) if values else None,
    "latest": lambda values: float(values[-1]) if values else None,
}


FEATURES = """
entities:
  origin: { keys: [origin] }
  carrier: { keys: [carrier] }
  route: { keys: [origin, dest] }
  tail: { keys: [tailnum] }
feature_groups:
  departures_by_origin:
    source: departures
    entity: origin
    features:
      - { aggregations: [count], windows: [1h] }
      - { column: dep_delay, aggregations: [mean, max], windows: [1h, 3h, 1d] }
  arrivals_by_route:
    source: arrivals
    entity: route
    features:
      - { column: gained, aggregations: [variance, min, count], windows: [2h, 13d], hop: 10 minutes }
      - { column: arr_delay, aggregations: [sum, latest], windows: [36h, 30d] }
  arrivals_by_carrier:
    source: arrivals
    entity: carrier
    features:
      - { column: gained, aggregations: [mean], windows: [7d] }
  arrivals_by_tail:
    source: arrivals
    entity: tail
    features:
      - { column: gained, aggregations: [mean, latest], windows: [1d, 7d] }
  weather_by_origin:
    source: weather
    entity: origin
    features:
      - { column: wind_speed, aggregations: [latest, max, mean, variance], windows: [6h] }
      - { column: precip, aggregations: [sum], windows: [90 minutes] }
feature_sets:
  departure:
    asked_by: departures
    request_features: { dep_delay: {}, scheduled_hour: {}, weekday: {}, plane_age: {}, seats: {} }
    groups: [departures_by_origin, arrivals_by_route, arrivals_by_carrier, arrivals_by_tail, weather_by_origin]
"""
"""Every aggregation and every kind of hop; the shipped features change as models do, these do not."""
OWN, WINDOWED = 5, 1 + 6 + 6 + 4 + 1 + 4 + 4 + 1


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    conf = tmp_path_factory.mktemp("conf")
    for name in ("project.yaml", "sources.yaml"):
        (conf / name).write_bytes((CONF / name).read_bytes())
    (conf / "features.yaml").write_text(FEATURES)
    return declared.read(conf, "departure")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Files of some days of November, messages of a day of December (some copied, some broken), and their raw tables."""
    data, tables, airports = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("tables"), Airports()
    for name in ("airports", "planes"):
        (data / f"{name}.csv").write_bytes((airports.folder / f"{name}.csv").read_bytes())
    for source in ("schedule", "departures", "arrivals", "weather"):
        events = airports.events(source)
        past = events.filter(pl.col("event_ms").is_between(1_385_596_800_000, 1_385_856_000_000, closed="left"))
        past.drop("event_ms").write_csv(data / f"{source}.csv", null_value="NA")
        header, *lines = (data / f"{source}.csv").read_bytes().splitlines()
        rows = [(line, header.decode(), "file", -1, place, NOW_MS - 1) for place, line in enumerate(lines)]
        future = events.filter(pl.col("event_ms").is_between(1_385_856_000_000, 1_385_942_400_000, closed="left"))
        rows += [] if source == "schedule" else log(source, future)
        write_delta(tables / f"raw_{source}", pl.DataFrame(rows, schema=SCHEMA, orient="row"))
    return data, tables


def log(source: str, future: pl.DataFrame) -> list[tuple]:
    """Messages on two partitions, disordered a little, one in fifty sent twice, the last ones broken."""
    draw = random.Random(source)
    values = [as_record(source, row).value for row in future.iter_rows(named=True)]
    draw.shuffle(values)
    rows, offsets = [], [0, 0]
    for place, value in enumerate([*values, b"{", b"[1]", b'{"year": "x"}']):
        partition = draw.randrange(2)
        for _ in range(2 if place % 50 == 7 else 1):
            append_ms = NOW_MS + place * 3 * MINUTE_MS // 20
            rows.append((value, None, "log", partition, offsets[partition], append_ms))
            offsets[partition] += 1
    return rows


def write_delta(folder: Path, frame: pl.DataFrame) -> None:
    """Two commits: rows that a later commit removes, then half of the rows and the other half."""
    commits = [{"old.parquet": frame.head(3)}, {"a b.parquet": frame[::2], "c.parquet": frame[1::2]}]
    (folder / "_delta_log").mkdir(parents=True)
    for version, files in enumerate(commits):
        actions = [{"remove": {"path": "old.parquet"}}] * version
        for name, part in files.items():
            part.write_parquet(folder / name)
            actions.append({"add": {"path": name.replace(" ", "%20"), "partitionValues": {}}})
        lines = "\n".join(json.dumps(action) for action in actions)
        (folder / "_delta_log" / f"{version:020}.json").write_text(lines)


@pytest.fixture(scope="module")
def oracle(project, folders):
    data, tables = folders
    return Oracle.over(project, tables, data)


def brute(oracle, group, event, reach):
    """The formula of a group's windows by a loop over all records, in exact fractions."""
    entity, t_ms = entity_of(oracle.declared, group.name, event), event["event_ms"]
    values = {}
    for feature in group.features:
        seen = []
        for row in oracle.rows[group.source]:
            counts = row["reason"] is None and row["duplicate"] is None
            batch = row["origin_kind"] == "file" or row["append_ms"] // MINUTE_MS < reach.horizon
            applied = row["offset"] <= reach.positions.get(row["partition"], -1)
            start = (t_ms - feature.length_ms) - (t_ms - feature.length_ms) % feature.hop_ms
            known = feature.column is None or row[feature.column] is not None
            same = entity is not None and "|".join(str(row[key]) for key in group.keys) == entity
            if counts and (batch or applied) and same and known and start <= row["event_ms"] < t_ms:
                seen.append(row)
        seen.sort(key=lambda row: (row["event_ms"], row["partition"], row["offset"]))
        scale = 10 ** oracle.declared.scale(group.source, feature.column or "")
        numbers = [Fraction(row[feature.column], scale) if feature.column else 1 for row in seen]
        values[feature.name] = AGGREGATES[feature.aggregation](numbers)
    return values


@pytest.fixture(scope="module")
def asked(oracle):
    """Some asking events with what their answers saw."""
    oracle.rows = {source: list(frame.iter_rows(named=True)) for source, frame in oracle.records.items()}
    draw = random.Random(7)
    chosen = draw.sample(sorted(oracle.asking), 25)
    reaches = [
        {
            group.name: Reach(HORIZON + draw.randrange(3) * 20, {part: draw.randrange(-1, 450) for part in (0, 1)})
            for group in oracle.declared.groups
        }
        for _ in chosen
    ]
    return [(oracle.asking[place], place, reach) for place, reach in zip(chosen, reaches, strict=True)]


@pytest.fixture(scope="module")
def scores(oracle, asked):
    return [score(oracle, event, place, {**reach}) for event, place, reach in asked]


def score(oracle, event, place, reaches):
    horizon = reaches["weather_by_origin"].horizon
    reaches = {name: Reach(horizon, reach.positions) for name, reach in reaches.items()}
    groups = {
        name: {
            "entity": entity_of(oracle.declared, name, event),
            "positions": {str(p): o for p, o in reach.positions.items()},
        }
        for name, reach in reaches.items()
    }
    values = dict(oracle.expected(event, reaches).values)
    answer = {"t_ms": event["event_ms"], "source": "merged", "horizon": horizon, "groups": groups, "values": values}
    return {"prediction_id": f"flights.departures/{place[0]}/{place[1]}", "answer": answer}


def test_it_equals_a_loop_over_every_record(oracle, asked):
    compared = both = 0
    for event, _, reaches in asked:
        for group in oracle.declared.groups:
            reading = oracle.timelines[group.name].read(
                entity_of(oracle.declared, group.name, event), event["event_ms"], reaches[group.name]
            )
            assert reading.values == brute(oracle, group, event, reaches[group.name])
            compared += len(reading.values)
            both += bool(reading.from_batch and reading.from_speed)

    assert compared == 25 * WINDOWED
    assert both > 25, "the history exercises both sides"


def test_answers_as_they_should_be_have_no_difference(oracle, scores):
    found = compare(oracle, [json.dumps(entry).encode() for entry in scores])

    assert (found.vectors_compared, found.differences, found.scored) == (25, 0, 25)
    assert found.values_compared == 25 * (OWN + WINDOWED)
    assert found.unanswered == len(oracle.asking) - 25


@pytest.mark.parametrize(
    "name", ["departures_by_origin__count_1h", "arrivals_by_route__gained_variance_13d", "dep_delay", "seats"]
)
def test_one_changed_value_is_found_and_named(oracle, scores, name):
    changed = copy.deepcopy(scores)
    changed[3]["answer"]["values"][name] = (changed[3]["answer"]["values"][name] or 0) + 2**-30
    found = compare(oracle, changed)

    assert (found.differences, found.differing_vectors) == (1, 1)
    assert (found.examples[0].prediction_id, found.examples[0].what) == (scores[3]["prediction_id"], name)


@pytest.mark.parametrize(
    "spoil", [lambda answer: answer["values"].pop("dep_delay"), lambda answer: answer.update(t_ms=1)]
)
def test_a_missing_value_and_another_time_are_found(oracle, scores, spoil):
    changed = copy.deepcopy(scores)
    spoil(changed[0]["answer"])

    assert compare(oracle, changed).differences == 1


def test_a_position_further_than_the_answer_saw_is_found(oracle, scores):
    changed = copy.deepcopy(scores)
    for entry in changed:
        entry["answer"]["groups"]["departures_by_origin"]["positions"] = {"0": 10**6, "1": 10**6}

    assert compare(oracle, changed).differences > 0


def test_edges_and_lower_rungs_are_kept_apart(oracle, scores):
    changed = copy.deepcopy(scores[:3])
    changed[0]["answer"]["groups"]["arrivals_by_tail"]["edge"] = True
    changed[1]["answer"]["source"] = "default"
    changed[2]["prediction_id"] = "flights.departures/0/999999"
    found = compare(oracle, changed)

    assert (found.edge, found.edge_equal, dict(found.not_compared), found.unknown) == (1, 1, {"default": 1}, 1)
    assert found.vectors_compared == 0


def training_rows(oracle, asked):
    rows = [
        {"prediction_key": f"flights.departures/{place[0]}/{place[1]}", **oracle.expected(event, None).values}
        for event, place, _ in asked
        if event["duplicate"] is None
    ]
    return pl.DataFrame(rows, infer_schema_length=None)


def test_vectors_differ_from_training_rows_only_by_what_was_in_flight(oracle, asked, scores):
    found = compare_training(oracle, scores, training_rows(oracle, asked))

    assert found.rows_differing == 0
    assert found.reasons["in_flight"] > 0
    assert found.reasons["unexplained"] == 0
    assert found.compared == found.equal + found.reasons["in_flight"]


def test_a_wrong_training_row_has_no_excuse(oracle, asked):
    event, place, reaches = asked[0]
    seen_all = {name: Reach(10**9, {}) for name in reaches}
    rows = training_rows(oracle, asked).with_columns(arrivals_by_carrier__gained_mean_7d=pl.lit(0.5))
    found = compare_training(oracle, [score(oracle, event, place, seen_all)], rows)

    assert (found.reasons["unexplained"], found.rows_differing, found.equal) == (1, 1, 0)


def test_the_accounts_add_up_and_a_lost_record_is_named(oracle, folders):
    produced = {name: frame.filter(pl.col("origin_kind") == "log").height for name, frame in oracle.records.items()}
    own = accounts(oracle.records, folders[0], produced)
    told = {name: vars(account) for name, account in own.items()}

    assert disagreements(own, told) == []
    assert all(
        own[name].quarantined == 3 and own[name].duplicates > 0 for name in ("departures", "arrivals", "weather")
    )
    assert all(account.exact for account in own.values())
    told["arrivals"] = {**told["arrivals"], "accepted": told["arrivals"]["accepted"] - 1}
    assert [line.split(":")[0] for line in disagreements(own, told)] == ["arrivals.accepted"]
    less = accounts(oracle.records, folders[0], {**produced, "arrivals": produced["arrivals"] + 1})
    assert [name for name, account in less.items() if not account.exact] == ["arrivals"]


def test_an_account_is_exact_only_when_all_three_sums_agree():
    assert Account(5, 5, 3, 1, 1).exact
    assert not Account(5, 5, 3, 1, 0).exact
    assert not Account(6, 5, 3, 1, 1).exact


def understood(project, folders, source, values, append_ms=NOW_MS):
    rows = [(value, None, "log", 0, place, append_ms + place) for place, value in enumerate(values)]
    return records.understand(project, source, pl.DataFrame(rows, schema=SCHEMA, orient="row"), folders[0])


WEATHER = {"origin": "JFK", "time_hour": "2013-12-02T00:00:00Z", "temp": 41.005, "precip": 0, "visib": 10}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, None),
        ({"wind_speed": 1048.36}, None),
        ({"temp": None}, None),
        ({"origin": None}, "origin missing"),
        ({"temp": "warm"}, "temp unreadable"),
        ({"temp": 200}, "temp above its greatest"),
        ({"wind_dir": 1.5}, "wind_dir unreadable"),
        ({"time_hour": "noon"}, "no event time"),
        ({"time_hour": "2093-12-02T00:00:00Z"}, "in the future"),
        ({"time_hour": "1999-12-02T00:00:00Z"}, "before the first year"),
    ],
)
def test_a_record_is_judged_alone(project, folders, change, reason):
    frame = understood(project, folders, "weather", [json.dumps({**WEATHER, **change}).encode()])

    assert frame["reason"].to_list() == [reason]


def test_decimals_are_rounded_half_up_and_a_broken_sensor_is_emptied(project, folders):
    frame = understood(project, folders, "weather", [json.dumps({**WEATHER, "wind_speed": 1048.36}).encode()])

    assert (frame["temp"][0], frame["wind_speed"][0]) == (4101, None)


def test_a_copy_counts_again_once_the_horizon_has_passed(project, folders):
    value = json.dumps(WEATHER).encode()
    rows = [(value, None, "log", 0, place, NOW_MS + hours * 3_600_000) for place, hours in enumerate((0, 1, 2, 2.5))]
    frame = pl.DataFrame([(*row[:5], int(row[5])) for row in rows], schema=SCHEMA, orient="row")
    duplicates = records.understand(project, "weather", frame, folders[0])["duplicate"].to_list()

    assert duplicates == [None, "unique_key", None, "unique_key"]


def test_files_from_the_log_on_and_messages_before_it_are_duplicates(project, folders):
    before = json.dumps({**WEATHER, "time_hour": "2013-11-30T23:00:00Z"}).encode()
    frame = understood(project, folders, "weather", [before, json.dumps(WEATHER).encode()])

    assert frame["duplicate"].to_list() == ["log_from", None]


def test_a_table_with_a_missing_commit_is_not_read(tmp_path):
    write_delta(tmp_path, pl.DataFrame({"n": [1, 2, 3, 4]}))
    (tmp_path / "_delta_log" / f"{0:020}.json").unlink()

    with pytest.raises(ValueError, match="expected commits 0, 1, 2"):
        delta.read(tmp_path)


def test_a_delta_table_is_its_added_files_without_the_removed(tmp_path):
    write_delta(tmp_path, pl.DataFrame({"n": [1, 2, 3, 4]}))

    assert sorted(delta.read(tmp_path)["n"]) == [1, 2, 3, 4]
