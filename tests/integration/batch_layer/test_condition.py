"""The condition of new records is assessed before they are prepared: told, reported, kept; or it stops."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest

from batch_layer.ingestion import ingest
from batch_layer.preparation import prepare
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.errors import GateError
from lambda_core.schemas.tables import RAW_SCHEMA

DAY = 86_400_000
NOW = 1_700_006_400_000  # 2023-11-15T00:00:00Z


def shop(condition: dict) -> Project:
    source = {
        "files": {"path": "sales*.csv"},
        "topic": "sales",
        "log_from": "2023-11-15T00:00:00Z",
        "columns": {
            "id": {"type": "string", "required": True},
            "size": {"type": "integer", "min": 0, "clip": [None, 50], "fill": 1},
            "at": {"type": "integer"},
        },
        "derive": {"moment": {"type": "timestamp", "expression": "timestamp_millis(at)"}},
        "event_time": "moment",
        "unique_key": ["id"],
        "condition": condition,
    }
    return Project.model_validate({"project": "shop", "sources": {"sales": source}})


def made(spark, folder: Path, condition: dict | None = None, now_ms: int = NOW) -> RunContext:
    (folder / "data").mkdir(exist_ok=True)
    environment = Environment(state=folder / "state", data=folder / "data")
    context = assemble(shop(condition or {}), environment, FixedClock(now_ms))
    context.builders["spark"] = lambda _: spark
    return context


def put(context: RunContext, name: str, lines: list[str]) -> None:
    (context.environment.data / name).write_text("\n".join(["id,size,at", *lines]))
    ingest(context)


def log(context: RunContext, first: int, last: int, day: int) -> None:
    """Append records of the topic, so many offsets of one day."""
    rows = [
        (json.dumps({"id": f"l{offset}", "size": offset % 9, "at": NOW + day * DAY}).encode(), "json", None, "f", "log",
         "sales", f"log-0-{first}", 0, offset, NOW + day * DAY + offset, NOW)
        for offset in range(first, last)
    ]  # fmt: skip
    context.tables.append("raw_sales", context.spark.createDataFrame(rows, RAW_SCHEMA))


def kept(context: RunContext) -> dict[tuple[str, str], int]:
    rows = context.tables.read("profile_sales").collect()
    return {(row["batch_id"], row["part"]): row["rows"] for row in rows}


@pytest.fixture(scope="module")
def grown(spark, tmp_path_factory):
    """A file, then two parts of a day of the topic, the second tried twice, then the next day; what each run left."""
    run = made(spark, tmp_path_factory.mktemp("grown"))
    put(run, "sales1.csv", [f"f{n},{'' if n < 3 else 60 if n < 5 else n},{NOW - DAY}" for n in range(10)] + ["x"])
    reports, tables = [prepare(run)], []
    tables.append(kept(run))
    log(run, 0, 20, day=0)
    reports.append(prepare(run))
    log(run, 20, 30, day=0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run.tables, "append", ended)
        with pytest.raises(RuntimeError, match="the process ended here"):
            prepare(run)
    tables.append(kept(run))
    log(run, 30, 40, day=1)
    reports.append(prepare(run))
    tables.append(kept(run))
    return run, reports, tables


def ended(*_: object, **__: object) -> int:
    raise RuntimeError("the process ended here")


def test_every_batch_is_kept_and_a_topics_day_grows_whatever_crashed(grown):
    run, _, (first, crashed, last) = grown
    ((file, _),) = first

    assert list(first.values()) == [11]
    assert {key[1]: rows for key, rows in crashed.items() if key[0] == "log 2023-11-15"} == {
        "before": 20, '{"-1":11,"0":20}': 10
    }  # fmt: skip
    assert last == {
        (file, "{}"): 11,
        ("log 2023-11-15", "before"): 20,
        ("log 2023-11-15", '{"-1":11,"0":20}'): 10,
        ("log 2023-11-16", '{"-1":11,"0":20}'): 10,
    }
    assert run.tables.read("prepared_sales").count() == 50


def test_repairs_are_counted_where_they_changed_a_value(grown):
    _, reports, _ = grown

    # The line that is no line of CSV has no values, and nothing that could be repaired.
    assert [report.sources[0].repaired for report in reports] == [{"size": 5}, {}, {}]


def test_the_report_is_for_people_and_programs_and_needs_nothing_from_elsewhere(grown):
    run, reports, _ = grown
    page = Path(reports[-1].pages[0])

    html, told = page.read_text(), json.loads(page.with_suffix(".json").read_text())
    assert page == run.environment.reports / "sales.html"
    assert "<svg" in html
    assert not {"http://", "https://", "<script", "<link", "<img"} & {
        word for word in ("http://", "https://", "<script", "<link", "<img") if word in html
    }
    assert [(batch["batch"], batch["rows"], batch["whole"]) for batch in told["batches"]] == [
        ("log 2023-11-15", 30, True),
        ("log 2023-11-16", 10, False),
    ]
    assert told["batches"][0]["columns"]["size"]["max"] == 8


@pytest.fixture(scope="module")
def stopped(spark, tmp_path_factory):
    """A good file, then one whose sizes are no numbers, where that is to stop; then accepted."""
    folder = tmp_path_factory.mktemp("stopped")
    run = made(spark, folder, {"fail": ["unreadable"], "least_rows": 5, "newest": "2d"})
    put(run, "sales1.csv", [f"a{n},{n},{NOW - DAY}" for n in range(10)])
    prepare(run)
    put(run, "sales2.csv", [f"b{n},{n} pieces,{NOW - DAY}" for n in range(10)])
    return folder, run


def test_a_finding_that_is_to_stop_stops_before_anything_is_written(spark, stopped):
    folder, run = stopped
    before = {table: run.tables.version(table) for table in ("prepared_sales", "profile_sales")}

    for _ in range(2):  # again, as long as nothing changes
        with pytest.raises(GateError) as failed:
            prepare(run)

    (sentence, *_), last = str(failed.value).splitlines(), str(failed.value).splitlines()[-1]
    assert "size: expected values of type integer within their bounds" in sentence
    assert "10 of another type" in sentence
    assert {table: run.tables.version(table) for table in before} == before
    assert not run.tables.exists("quarantine_sales")
    assert (run.environment.reports / "sales.html").read_text().count("This stops the preparation.") == 1

    batch = last.partition("accept: [")[2].partition("]")[0]
    accepting = made(spark, folder, {"fail": ["unreadable"], "least_rows": 5, "newest": "2d", "accept": [batch]})
    report = prepare(accepting).sources[0]
    assert (report.accepted, report.quarantined) == (10, 10)
    assert any("size: expected values of type integer" in one for one in report.findings)


def test_an_empty_batch_is_named_by_the_age_of_the_newest_record(spark, stopped):
    folder, _ = stopped
    later = made(spark, folder, {"newest": "2d", "accept": ["other"], "fail": ["newest"]}, NOW + 3 * DAY)
    put(later, "sales3.csv", [])

    with pytest.raises(
        GateError, match=r"expected a record within the last 2 days.*nothing has come since.*empty batch"
    ):
        prepare(later)
    warned = dataclasses.replace(later, project=shop({"newest": "2d"}))
    report = prepare(warned).sources[0]
    assert any("nothing has come since" in finding for finding in report.findings)
    told = json.loads(Path(report.page).with_suffix(".json").read_text())
    assert "newest" in [one["check"] for one in told["findings"]]
    assert len(told["batches"]) == 1


def test_a_field_that_is_misnamed_is_told_with_its_file_and_what_to_declare(spark, stopped):
    folder, _ = stopped
    run = made(spark, folder, {"accept": ["other"], "fail": ["fields"]})
    (run.environment.data / "sales4.csv").write_text(f"id,Siez,at\nd1,7,{NOW - DAY}\n")
    ingest(run)

    with pytest.raises(GateError) as failed:
        prepare(run)

    said = str(failed.value)
    assert "no field 'size', a new field 'Siez', a field 'Siez' that no column takes and 'size' may be" in said
    assert (
        "as in sales4.csv; where it is the same under another name, declare `sources.sales.columns.size.field: Siez`"
        in said
    )
