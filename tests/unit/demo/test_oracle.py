"""The oracle is itself judged: by loops that anyone can read, and by faults that it has to find."""

import copy
import json
import random
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from demo.oracle import declared, delta, records
from demo.oracle.accounts import Account, accounts, disagreements
from demo.oracle.comparing import Oracle, compare, entity_of, reaches_of
from demo.oracle.timelines import Reach, Timeline
from demo.oracle.training import compare_training
from demo.sources import Airports, as_record
from lambda_core.config.loading import load_project
from lambda_core.config.project import View
from tests.laws.oracle import FILE, Event, without_duplicates
from tests.laws.worlds import (
    DUPLICATE_HORIZON_MS,
    PERIOD_MS,
    SpeedSide,
    ask_of,
    batch_value,
    by_period,
    component,
    definition,
)

CONF = Path(__file__).resolve().parents[3] / "conf" / "flights"
NOW_MS = 1_800_000_000_000
SHIPPED_PERIOD_MS = declared.read(CONF, "departure").period_ms
HORIZON = NOW_MS // SHIPPED_PERIOD_MS + 1
TIGHT = 1
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
            append_ms = NOW_MS + place * 3 * SHIPPED_PERIOD_MS // 20
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


def seen(oracle, group, event, reach):
    """What the answer saw of the entity, by a loop over all records: (on the batch side, record), in order."""
    entity = entity_of(oracle.declared, group.name, event)
    rows = []
    for row in oracle.rows[group.source]:
        counts = row["reason"] is None and row["duplicate"] is None
        batch = row["origin_kind"] == "file" or row["append_ms"] // SHIPPED_PERIOD_MS < reach.horizon
        applied = row["offset"] <= reach.positions.get(row["partition"], -1)
        same = entity is not None and "|".join(str(row[key]) for key in group.keys) == entity
        if counts and (batch or applied) and same:
            rows.append((batch, row))
    return sorted(rows, key=lambda one: (one[1]["event_ms"], one[1]["partition"], one[1]["offset"]))


def formula(oracle, group, feature, rows):
    """The feature's value over these records, in exact fractions."""
    known = [row for row in rows if feature.column is None or row[feature.column] is not None]
    scale = 10 ** oracle.declared.scale(group.source, feature.column or "")
    numbers = [Fraction(row[feature.column], scale) if feature.column else 1 for row in known]
    return AGGREGATES[feature.aggregation](numbers)


def brute(oracle, group, event, reach):
    """The plain formula of a group's windows."""
    t_ms, values, own = event["event_ms"], {}, seen(oracle, group, event, reach)
    for feature in group.features:
        start = (t_ms - feature.length_ms) - (t_ms - feature.length_ms) % feature.hop_ms
        rows = [row for _, row in own if start <= row["event_ms"] < t_ms]
        values[feature.name] = formula(oracle, group, feature, rows)
    return values


def brute_edge(oracle, group, event, reach, ring):
    """The values by the rule of the right edge, and whether the answer must say so: one view, one tile at a time."""
    views = {}
    for batch, row in seen(oracle, group, event, reach):
        views.setdefault("batch" if batch else row["append_ms"] // SHIPPED_PERIOD_MS, []).append(row)
    t_ms, values, edge = event["event_ms"], {}, False
    for feature in group.features:
        start = (t_ms - feature.length_ms) - (t_ms - feature.length_ms) % feature.hop_ms
        rows = []
        for view, own in views.items():
            merged, singles = (own, []) if view == "batch" else (own[:-ring], own[-ring:])
            tiles = {}
            for row in merged:
                tiles.setdefault(row["event_ms"] - row["event_ms"] % feature.hop_ms, []).append(row)
            for tile, inside in tiles.items():
                if start <= tile < t_ms:
                    rows += inside
                    edge = edge or (tile + feature.hop_ms > t_ms and max(row["event_ms"] for row in merged) >= t_ms)
            rows += [row for row in singles if start <= row["event_ms"] < t_ms]
        rows.sort(key=lambda row: (row["event_ms"], row["partition"], row["offset"]))
        values[feature.name] = formula(oracle, group, feature, rows)
    return values, edge


@pytest.fixture(scope="module")
def tight(oracle, folders):
    """The same records, where a hash keeps so few events single that many answers lie on the edge."""
    return Oracle(replace(oracle.declared, ring=TIGHT), oracle.records, folders[0])


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
    edges = {name: edge for name, edge in oracle.edges(event, reaches).items() if edge.said}
    for name in edges:
        groups[name]["edge"] = True
    values = {**oracle.expected(event, reaches).values, **oracle.on_edges(event, reaches, edges)}
    answer = {"t_ms": event["event_ms"], "source": "merged", "horizon": horizon, "groups": groups, "values": values}
    return {"prediction_id": f"flights.departures/{place[0]}/{place[1]}", "answer": answer}


def on_edge(entry):
    return any(group.get("edge") for group in entry["answer"]["groups"].values())


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


@pytest.mark.parametrize("ring", [1, 2, 64])
def test_the_edge_equals_a_loop_over_every_tile(oracle, folders, asked, ring):
    own = Oracle(replace(oracle.declared, ring=ring), oracle.records, folders[0])
    apart = same = 0
    for event, _, reaches in asked:
        for group in own.declared.groups:
            place = entity_of(own.declared, group.name, event), event["event_ms"], reaches[group.name]
            timeline = own.timelines[group.name]
            edge = timeline.edge(*place)
            found = timeline.read(*place, edge).values
            assert (found, edge.said) == brute_edge(oracle, group, event, reaches[group.name], ring)
            apart += edge.said and found != timeline.read(*place).values
            same += edge.said and found == timeline.read(*place).values

    assert apart > 15, "tiles hold events of t or later"
    assert same > 0, "and an answer says edge where they could, but do not"


def test_answers_as_they_should_be_have_no_difference(oracle, scores):
    found = compare(oracle, [json.dumps(entry).encode() for entry in scores])

    assert (found.differences, found.edge_differences, found.edge_against_rule, found.scored) == (0, 0, 0, 25)
    assert (found.vectors_compared, found.edge) == (25, sum(map(on_edge, scores)))
    assert min(found.vectors_compared - found.edge, found.edge) > 5
    assert found.values_compared == found.vectors_compared * (OWN + WINDOWED)
    assert found.edge_values == found.edge * (OWN + WINDOWED)
    assert found.unanswered == len(oracle.asking) - 25


@pytest.mark.parametrize(
    "name", ["departures_by_origin__count_1h", "arrivals_by_route__gained_variance_13d", "dep_delay", "seats"]
)
def test_one_changed_value_is_found_and_named(oracle, scores, name):
    changed = copy.deepcopy([entry for entry in scores if not on_edge(entry)])
    changed[3]["answer"]["values"][name] = (changed[3]["answer"]["values"][name] or 0) + 2**-30
    found = compare(oracle, changed)

    assert (found.differences, found.differing_vectors, found.edge_differences) == (1, 1, 0)
    assert (found.examples[0].prediction_id, found.examples[0].what) == (changed[3]["prediction_id"], name)


@pytest.fixture(scope="module")
def tight_scores(tight, asked):
    return [score(tight, event, place, reach) for event, place, reach in asked]


@pytest.mark.parametrize(
    ("group", "name"),
    [
        ("departures_by_origin", "departures_by_origin__count_1h"),
        ("arrivals_by_carrier", "arrivals_by_carrier__gained_mean_7d"),
        ("arrivals_by_carrier", "weather_by_origin__wind_speed_max_6h"),
        ("arrivals_by_carrier", "dep_delay"),
    ],
)
def test_one_changed_value_of_an_answer_on_the_edge_is_found_and_named(tight, tight_scores, group, name):
    changed = copy.deepcopy(tight_scores)
    one = next(entry for entry in changed if entry["answer"]["groups"][group].get("edge"))
    one["answer"]["values"][name] = (one["answer"]["values"][name] or 0) + 2**-30
    found = compare(tight, changed)

    assert (found.edge_differences, found.differences, found.edge_against_rule) == (1, 1, 0)
    assert [(example.prediction_id, example.what) for example in found.examples] == [(one["prediction_id"], name)]


def test_the_plain_value_where_the_tile_says_otherwise_is_found(tight, tight_scores, asked):
    changed = copy.deepcopy(tight_scores)
    for entry, (event, _, _) in zip(changed, asked, strict=True):
        entry["answer"]["values"] = dict(tight.expected(event, reaches_of(entry["answer"])).values)
    found = compare(tight, changed)

    assert found.edge_differences > 0
    assert found.edge_equal == found.edge > 0


@pytest.mark.parametrize("says", [True, False])
def test_a_group_that_says_edge_against_the_rule_is_found_and_named(tight, tight_scores, says):
    changed = copy.deepcopy(tight_scores)
    group = next(
        (entry["prediction_id"], name, group)
        for entry in changed
        for name, group in entry["answer"]["groups"].items()
        if group.get("edge", False) is not says
    )
    group[2]["edge"] = says
    found = compare(tight, changed)

    assert (found.edge_against_rule, found.examples[0].prediction_id) == (1, group[0])
    assert (found.examples[0].what, found.examples[0].expected, found.examples[0].found) == (
        f"{group[1]}:edge",
        not says,
        says,
    )


def test_a_group_that_hides_its_edge_is_compared_plainly(tight, tight_scores):
    changed = copy.deepcopy(tight_scores)
    for entry in changed:
        for group in entry["answer"]["groups"].values():
            group.pop("edge", None)
    found = compare(tight, changed)

    assert (found.edge, found.vectors_compared) == (0, 25)
    assert found.differences > 0
    assert found.edge_against_rule > 0


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
    changed = copy.deepcopy([next(filter(on_edge, scores)), scores[-1], scores[-2]])
    changed[1]["answer"]["source"] = "default"
    changed[2]["prediction_id"] = "flights.departures/0/999999"
    found = compare(oracle, changed)

    assert (found.edge, dict(found.not_compared), found.unknown) == (1, {"default": 1}, 1)
    assert (found.vectors_compared, found.values_compared, found.edge_values) == (1, OWN + WINDOWED, OWN + WINDOWED)


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
    assert found.reasons["edge"] > 0
    assert found.compared == found.equal + found.reasons["in_flight"] + found.reasons["edge"]


def test_a_wrong_training_row_has_no_excuse(oracle, asked):
    event, place, reaches = asked[0]
    seen_all = {name: Reach(NOW_MS // SHIPPED_PERIOD_MS, {0: 10**6, 1: 10**6}) for name in reaches}
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


DEPARTURE = {"year": 2013, "month": 12, "day": 2, "sched_dep_time": 2355, "sched_arr_time": 300, "carrier": "B6",
             "flight": 1, "origin": "JFK", "dest": "SJU", "tailnum": "N1", "distance": 1598}  # fmt: skip


@pytest.mark.parametrize(
    ("clock", "delay", "reason"),
    [
        *((2355, 0, None), (2400, 5, None), (7, 12, None), (2350, -5, None), (2, 1447, None)),
        *((2356, 0, "clock"), (7, -12, "clock"), (2355, 60, "clock"), (55, 120, "clock")),
    ],
)
def test_a_delay_that_the_clock_does_not_show_is_refused(project, folders, clock, delay, reason):
    record = {**DEPARTURE, "dep_time": clock, "dep_delay": delay}
    frame = understood(project, folders, "departures", [json.dumps(record).encode()])

    assert frame["reason"].to_list() == ["delay_agrees_with_clock" if reason else None]


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


COLUMNS = {"whole": {"type": "integer"}, "money": {"type": "decimal", "scale": 2}}
EVENTS = {
    **dict.fromkeys(("partition", "offset", "period", "event_ms", "whole", "money"), pl.Int64),
    **dict.fromkeys(("reason", "duplicate", "key"), pl.String),
}
LAST_MS = 300


def world(draw):
    """One entity's files and log on two partitions: late, early, tied, in disordered periods, with copies."""
    events = []
    for partition in (FILE, 0, 1):
        offset, append_ms = -1, draw.randrange(PERIOD_MS)
        for _ in range(draw.choice([3, 10, 40])):
            offset, append_ms = offset + draw.randint(1, 3), max(0, append_ms + draw.randint(-15, 25))
            values = {"whole": draw.choice([None, draw.randint(-50, 50)]), "real": None, "word": None}
            values["money"] = draw.choice([None, Fraction(draw.randint(-300, 300), 100)])
            unique = draw.choice([None, None, None, "a", "b"]) if partition != FILE else None
            last_ms = LAST_MS // 3 if partition == FILE else LAST_MS
            event_ms = draw.choice([draw.randrange(last_ms), draw.randrange(0, last_ms, 10)])
            events.append(Event(partition, offset, append_ms, event_ms, values=values, unique=unique))
    return events


def timeline_of(group, events, ring):
    """The oracle's timeline of the events for the features that it can read, declared as the product's group is."""
    kept = {(event.partition, event.offset) for event in without_duplicates(events, DUPLICATE_HORIZON_MS)}
    rows = [
        {
            "partition": event.partition,
            "offset": event.offset,
            "period": -1 if event.partition == FILE else event.append_ms // PERIOD_MS,
            "event_ms": event.event_ms,
            "reason": None,
            "duplicate": None if (event.partition, event.offset) in kept else "unique_key",
            "key": event.entity,
            "whole": event.values["whole"],
            "money": component(event.values["money"]),
        }
        for event in events
    ]
    asks = {feature.name: ask_of(group, feature) for feature in group.features}
    features = [
        declared.Feature(name, ask.column, ask.aggregation, ask.length_ms, ask.hop_ms)
        for name, ask in asks.items()
        if ask.column in (None, *COLUMNS)
    ]
    own = declared.Group(group.name, "things", ("key",), tuple(features))
    sources = {"things": {"columns": COLUMNS}}
    project = declared.Declared(sources, (own,), PERIOD_MS, "things", (), ring)
    return Timeline(project, own, pl.DataFrame(rows, schema=EVENTS))


def delivered(draw, group, events, ring):
    """The speed side, given some of each partition's log from its begin on, in any interleaving, some of it again."""
    speed = SpeedSide(group, ring)
    logs = [[event for event in events if event.partition == partition] for partition in (0, 1)]
    logs = [log[: draw.randint(0, len(log))] for log in logs]
    turns = [partition for partition in (0, 1) for _ in logs[partition]]
    draw.shuffle(turns)
    rest = [iter(log) for log in logs]
    for partition in turns:
        speed.apply(next(rest[partition]))
    for log in logs:
        for event in log[draw.randint(0, len(log)) :]:
            assert speed.apply(event) == "fenced"
    return speed


@pytest.mark.parametrize("ring", [1, 4, 64])
def test_the_product_reads_what_the_edge_says(ring):
    """Hashes filled by the product's own rule, and read by it, beside the oracle."""
    draw, group = random.Random(ring), definition(ring).groups["things"]
    edges = apart = 0
    for _ in range(40):
        events = world(draw)
        speed, horizon = delivered(draw, group, events, ring), draw.randrange(6)
        batch, _ = by_period(without_duplicates(events, DUPLICATE_HORIZON_MS), horizon)
        timeline = timeline_of(group, events, ring)
        for t_ms in (draw.randrange(LAST_MS + 20), draw.randrange(0, LAST_MS, 5), draw.randrange(LAST_MS)):
            read = speed.read(batch_value(group, batch), horizon, t_ms)
            place = "e", t_ms, Reach(horizon, read.provenance.positions)
            edge, plain = timeline.edge(*place), timeline.read(*place).values
            expected = timeline.read(*place, edge).values if edge.said else plain
            assert edge.said == read.provenance.edge
            assert expected == {name: read.values[name] for name in expected}
            edges, apart = edges + edge.said, apart + (expected != plain)

    assert 25 < edges < 95, "many answers are on the edge, and many are not"
    assert 15 < apart < edges


def test_a_project_keeps_as_many_events_single_as_the_product_does(project):
    assert View().ring == declared.RING
    assert load_project(CONF).view.ring == project.ring == declared.read(CONF, "departure").ring
