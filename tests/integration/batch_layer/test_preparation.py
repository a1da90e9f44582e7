"""Raw records into prepared rows and quarantine: every one is somewhere, and once."""

from __future__ import annotations

import dataclasses
import json
import random
from decimal import Decimal
from pathlib import Path

import pytest

from batch_layer.ingestion import ingest
from batch_layer.preparation import prepare
from batch_layer.preparation.prepare import PreparationReport, SourceReport, in_waves
from batch_layer.preparation.progress import Progress
from batch_layer.preparation.survey import survey
from lambda_core.bootstrap import assemble
from lambda_core.cleaning import reference_hashes
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.errors import ConfigError, SchemaError
from lambda_core.schemas.tables import PREPARED_COLUMNS, QUARANTINE_SCHEMA, RAW_SCHEMA

HOUR = 3_600_000
NOW = 1_700_049_600_000
LOG_FROM = NOW - 10 * HOUR


def shop() -> Project:
    orders = {
        "files": {"path": "orders*.csv"},
        "topic": "orders",
        "log_from": "2023-11-15T02:00:00Z",
        "columns": {
            "id": {"type": "string", "required": True},
            "item": {"type": "string"},
            "count": {"type": "integer", "min": 1},
            "happened": {"type": "integer"},
        },
        "lookups": {"item": {"source": "items", "key": "item", "take": {"item_weight": "weight"}}},
        "derive": {
            "weight": {"type": "decimal", "scale": 1, "expression": "count * item_weight"},
            "moment": {"type": "timestamp", "expression": "timestamp_millis(happened)"},
        },
        "event_time": "moment",
        "unique_key": ["id"],
        "duplicate_horizon": "1h",
    }
    items = {
        "kind": "reference",
        "files": {"path": "items*.csv"},
        "columns": {"sku": {"type": "string"}, "weight": {"type": "decimal", "scale": 1}},
        "unique_key": ["sku"],
    }
    live = {**orders, "files": None, "log_from": None, "topic": "live", "lookups": {}}
    live["derive"] = {"moment": orders["derive"]["moment"]}
    view = {"period": "1h"}
    return Project.model_validate(
        {"project": "shop", "view": view, "sources": {"orders": orders, "live": live, "items": items}}
    )


def made(spark, folder: Path, now_ms: int = NOW) -> RunContext:
    """A context with the shop's items as a file; its clock stands."""
    (folder / "data").mkdir(exist_ok=True)
    put(folder / "data" / "items.csv", "sku,weight", ["pen,0.1", "cup,2.25", "cup,9"])
    context = assemble(shop(), Environment(state=folder / "state", data=folder / "data"), FixedClock(now_ms))
    context.builders["spark"] = lambda _: spark
    return context


@pytest.fixture
def context(spark, tmp_path: Path) -> RunContext:
    return made(spark, tmp_path)


@pytest.fixture(scope="module")
def prepared(spark, tmp_path_factory) -> tuple[RunContext, PreparationReport]:
    """Orders by file and by log, every kind of them; and live ones, drawn so that keys and mistakes are many."""
    run = made(spark, tmp_path_factory.mktemp("prepared"))
    early, late = LOG_FROM - HOUR, LOG_FROM + HOUR
    put(
        run.environment.data / "orders.csv",
        "happened,id,count,item",
        [f"{early},a,2,cup", f"{early},a,3,pen", f"{late},b,1,pen", f"{early},,1,pen", "broken", f"{early},c,,none"],
    )
    ingest(run)
    log(run, "orders", [
        (0, 0, NOW, {"id": "b", "count": 4, "item": "cup", "happened": late}),
        (0, 1, NOW + HOUR, {"id": "b", "count": 5, "item": "cup", "happened": late}),
        (0, 2, NOW + HOUR + 1, {"id": "b", "count": 6, "item": "cup", "happened": late}),
        (0, 3, NOW, {"id": "d", "count": 0, "happened": late}),
        (1, 0, NOW, {"id": "e", "count": 1, "happened": early}),
        (1, 1, NOW, b"\xff"),
    ])  # fmt: skip
    log(
        run, "live", [(place % 2, place // 2, NOW + place * 60_000, value) for place, value in enumerate(live_orders())]
    )
    return run, prepare(run)


def live_orders() -> list[dict]:
    draw = random.Random(3)
    return [
        {
            "id": f"k{draw.randrange(40)}",
            "count": draw.choice(["1", "2", "x", ""]),
            "happened": NOW - draw.randrange(HOUR),
        }
        for _ in range(300)
    ]


@pytest.fixture(scope="module")
def odd(spark, tmp_path_factory) -> tuple[RunContext, SourceReport]:
    """Live orders: five of them brought again by a new raw writer, one on two partitions, and a long broken one."""
    run = made(spark, tmp_path_factory.mktemp("odd"))
    records = [(0, offset, NOW, {"id": f"k{offset}", "count": 1, "happened": NOW}) for offset in range(5)]
    twice = {"id": "a", "count": 1, "happened": NOW}
    log(run, "live", [*records, (0, 5, NOW, twice), (1, 0, NOW, twice), (1, 1, NOW, b"{" + "ü".encode() * 2000)])
    log(run, "live", records[2:])
    return run, prepare(run, ["live"]).sources[0]


def put(path: Path, header: str, lines: list[str]) -> None:
    path.write_text("\n".join([header, *lines]))


def log(context: RunContext, source: str, records: list[tuple[int, int, int, object]]) -> None:
    """Append records of a topic: (partition, offset, append time, value)."""
    rows = [
        (json.dumps(value).encode() if isinstance(value, dict) else value, "json", None, "f", "log", source, "log",
         partition, offset, append_ms, append_ms)
        for partition, offset, append_ms, value in records
    ]  # fmt: skip
    context.tables.append(f"raw_{source}", context.spark.createDataFrame(rows, RAW_SCHEMA))


def rows(context: RunContext, table: str, *columns: str) -> list[tuple]:
    frame = context.tables.read(table).orderBy("partition", "offset")
    return [tuple(row) for row in frame.select(*columns).collect()]


def test_every_record_is_accepted_quarantined_or_a_declared_duplicate(prepared):
    run, whole = prepared
    report = {one.source: one for one in whole.sources}["orders"]

    assert (report.raw, report.accepted, report.quarantined, report.duplicates) == (12, 4, 4, 4)
    assert (report.log_from, report.unique_key, report.repeated, report.across_partitions) == (2, 2, 0, 0)
    assert rows(run, "prepared_orders", "partition", "offset", "id", "count", "weight", "duplicate", "period") == [
        (-1, 0, "a", 2, Decimal("4.6"), None, None),
        (-1, 1, "a", 3, Decimal("0.3"), "unique_key", None),
        (-1, 2, "b", 1, Decimal("0.1"), "log_from", None),
        (-1, 5, "c", None, None, None, None),
        (0, 0, "b", 4, Decimal("9.2"), None, NOW // HOUR),
        (0, 1, "b", 5, Decimal("11.5"), "unique_key", NOW // HOUR + 1),
        (0, 2, "b", 6, Decimal("13.8"), None, NOW // HOUR + 1),
        (1, 0, "e", 1, None, "log_from", NOW // HOUR),
    ]
    assert rows(run, "quarantine_orders", "origin", "partition", "offset", "reasons") == [
        ("file", -1, 3, ["id: expected a value, found none"]),
        ("file", -1, 4, ["record: expected a line of CSV with the 4 fields of its header, found 'broken'"]),
        ("log", 0, 3, ["count: expected at least 1, found 0"]),
        ("log", 1, 1, ["record: expected UTF-8 text, found other bytes"]),
    ]


def test_tables_have_the_declared_schemas(prepared, spark):
    run, _ = prepared
    quarantine = run.tables.read("quarantine_orders").schema

    own = "id string, item string, count bigint, happened bigint, weight decimal(18,1), moment timestamp"
    expected = spark.createDataFrame([], f"{own}, {PREPARED_COLUMNS}").schema
    assert [(field.name, field.dataType) for field in run.tables.read("prepared_orders").schema] == [
        (field.name, field.dataType) for field in expected
    ]
    wanted = spark.createDataFrame([], QUARANTINE_SCHEMA).schema
    assert [(field.name, field.dataType) for field in quarantine] == [(field.name, field.dataType) for field in wanted]


def test_a_long_record_is_quarantined_with_its_first_kilobyte(odd):
    run, report = odd

    assert report.quarantined == 1
    excerpt = rows(run, "quarantine_live", "excerpt")[0][0]
    assert excerpt.startswith("{üü")
    assert 510 <= len(excerpt) <= 514


def test_a_position_that_a_new_raw_writer_brought_again_is_one_record(odd):
    _, report = odd

    assert (report.raw, report.repeated, report.accepted, report.log_from) == (8, 3, 7, 0)


def test_a_key_that_two_partitions_hold_counts_twice_and_is_told(odd):
    _, report = odd

    assert (report.duplicates, report.unique_key, report.across_partitions) == (0, 0, 1)


def test_a_topic_from_which_nothing_came_yet_is_prepared_empty(context):
    report = prepare(context, ["live"]).sources[0]

    assert (report.raw, report.accepted) == (0, 0)
    assert rows(context, "prepared_live", "id") == []


def test_what_the_raw_writer_appends_while_a_source_is_prepared_waits_for_the_next_time(context):
    record = {"id": "a", "count": 1, "happened": NOW}
    log(context, "live", [(0, 0, NOW, record)])
    found = survey(context, "live", Progress(made_by=""))
    log(context, "live", [(0, 1, NOW, record)])

    assert (found.records, found.frame.count()) == (1, 1)


def test_a_source_with_files_that_was_never_ingested_says_what_to_run(context):
    with pytest.raises(
        SchemaError, match=r"table raw_items: expected below .*, found none; run the stage that writes it"
    ):
        prepare(context)


@pytest.fixture(scope="module")
def added(spark, tmp_path_factory) -> tuple[RunContext, list[SourceReport]]:
    """Live orders that came in four parts, each prepared when it was there: the second run crashed, the last had nothing."""
    run = made(spark, tmp_path_factory.mktemp("added"))
    records = [(place % 2, place // 2, NOW + place * 60_000, value) for place, value in enumerate(live_orders())]
    reports = []
    for first, last in ((0, 100), (100, 180), (170, 300), (300, 300)):  # the third part brings ten records again
        log(run, "live", records[first:last])
        if first == 100:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(run.tables, "append", ended)  # of this context alone: a demo may go on beside
                with pytest.raises(RuntimeError, match="the process ended here"):
                    prepare(run, ["live"])
        reports += prepare(run, ["live"]).sources
    return run, reports


def ended(*_: object, **__: object) -> int:
    raise RuntimeError("the process ended here")


def accounts(report: SourceReport) -> dict[str, int]:
    """What became of records; not what is told of the batches that a run is the first to see."""
    left_out = {"version", "seconds", "findings", "repaired", "page"}
    return {name: value for name, value in vars(report).items() if name not in left_out}


def test_records_that_come_in_parts_are_prepared_as_if_they_had_come_at_once(added, prepared):
    run, reports = added
    whole, at_once = prepared
    live = {one.source: one for one in at_once.sources}["live"]

    for table in ("prepared_live", "quarantine_live"):
        assert rows(run, table, "*") == rows(whole, table, "*")
    assert [one.added for one in reports] == [100, 80, 120, 0]
    assert reports[-1].repeated == 10
    assert accounts(dataclasses.replace(reports[-1], added=300, repeated=0)) == accounts(live)
    assert reports[-1].version == reports[-2].version


def test_what_is_declared_otherwise_is_prepared_anew(added, prepared):
    run, _ = added
    settings = run.project.model_dump(by_alias=True)
    settings["sources"]["live"]["columns"]["count"]["min"] = 2
    changed = dataclasses.replace(run, project=Project.model_validate(settings))

    report = prepare(changed, ["live"]).sources[0]

    assert report.added == 300
    assert {count for (count,) in rows(run, "prepared_live", "count")} == {2, None}


def test_preparing_all_anew_gives_the_same_rows(prepared):
    run, first = prepared
    before = {table: rows(run, table, "*") for table in ("prepared_orders", "prepared_live")}

    again = prepare(run, ["orders", "live"], full=True)

    assert {table: rows(run, table, "*") for table in before} == before
    told = {one.source: accounts(one) for one in first.sources if one.source != "items"}
    assert {one.source: accounts(one) for one in again.sources} == told
    assert all(one.raw == one.accepted + one.quarantined + one.duplicates for one in again.sources)
    live = {one.source: one for one in again.sources}["live"]
    assert min(live.accepted, live.quarantined, live.unique_key) > 20


def test_references_come_before_those_that_look_them_up():
    assert in_waves(shop(), ["orders", "live", "items"]) == [["live", "items"], ["orders"]]
    with pytest.raises(ConfigError, match="did you mean 'orders'"):
        in_waves(shop(), ["oders"])


def test_a_reference_that_is_sent_again_takes_the_place_of_the_old_one_and_changes_its_hash(spark, tmp_path):
    run = made(spark, tmp_path)
    ingest(run, ["items"])
    prepare(run, ["items"])
    assert rows(run, "prepared_items", "sku", "weight", "duplicate") == [
        ("pen", Decimal("0.1"), None),
        ("cup", Decimal("2.3"), None),
        ("cup", Decimal("9.0"), "unique_key"),
    ]
    before = reference_hashes(run)

    later = made(spark, tmp_path, NOW + 100 * HOUR)
    put(run.environment.data / "items2.csv", "weight,sku", ["2.3,cup", "0.1,pen"])
    ingest(later, ["items"])
    prepare(later, ["items"])
    same = reference_hashes(later)
    put(run.environment.data / "items3.csv", "weight,sku", ["2.4,cup"])
    last = made(spark, tmp_path, NOW + 200 * HOUR)
    ingest(last, ["items"])
    report = prepare(last, ["items"]).sources[0]

    assert list(before) == ["items"]
    assert same == before
    assert reference_hashes(last) != before
    assert (report.raw, report.accepted, report.duplicates) == (6, 2, 4)


def test_a_references_hash_is_noted_with_its_rows_and_worked_out_where_no_note_fits(prepared):
    run, _ = prepared
    table, noted = run.tables.read("prepared_items"), reference_hashes(run)
    columns = list(run.project.sources["items"].all_columns)
    notes = [None, "by hand", json.dumps({"columns": columns[1:], "content": "told"})]
    fits = json.dumps({"columns": columns, "content": "told"})

    found = {}
    for note in (*notes, fits):
        run.tables.replace("prepared_items", table, note=note)
        found[note] = reference_hashes(run)["items"]

    assert found == {**dict.fromkeys(notes, noted["items"]), fits: "told"}
    assert run.tables.note("raw_live") is None
