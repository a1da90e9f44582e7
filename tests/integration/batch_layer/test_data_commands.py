"""`mainstem data`: what there is, why records could not be used, and their replay after a fix."""

from __future__ import annotations

import dataclasses
import json
import re

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from batch_layer.preparation import prepare
from jobs.cli.main import app
from tests.integration.batch_layer.test_condition import NOW, made, put


def changed(run, beside=None, **sales):
    """Return the run with these settings of its source, and other sources beside it."""
    settings = run.project.model_dump(by_alias=True)
    settings["sources"] = {"sales": settings["sources"]["sales"] | sales, **(beside or {})}
    return dataclasses.replace(run, project=type(run.project).model_validate(settings))


@pytest.fixture(scope="module")
def shop(spark, tmp_path_factory):
    """Ten good records, three with a size that is too small, and one that is no line of CSV."""
    run = changed(made(spark, tmp_path_factory.mktemp("data")), owner="shopkeepers")
    lines = [f"a{n},{n},{NOW - 1}" for n in range(10)] + [f"b{n},-{n + 1},{NOW - 1}" for n in range(3)] + ["x"]
    put(run, "sales1.csv", lines)
    prepare(run)
    return run


@pytest.fixture
def ask(shop, monkeypatch: pytest.MonkeyPatch):
    """Run a command over the shop, or over the same with another declaration; return its JSON."""

    def command(*words: str, run=shop, code: int = 0):
        monkeypatch.setattr("jobs.cli.data.context", lambda: run)
        with capture_logs():  # which a process of its own writes to standard error
            result = CliRunner().invoke(app, ["data", *words, "--json"])
        assert result.exit_code == code, result.output
        return json.loads(result.stdout)

    return command


def test_a_source_is_listed_with_where_its_records_went(ask):
    (found,) = ask("ls")

    tables = {table["name"]: (table["rows"], table["version"]) for table in found["tables"]}
    assert tables == {
        "raw_sales": (14, 0), "prepared_sales": (10, 0), "quarantine_sales": (4, 0), "profile_sales": (1, 0)
    }  # fmt: skip
    assert (found["accepted"], found["duplicates"], found["waiting"]) == (10, 0, False)
    assert all(table["bytes"] > 0 for table in found["tables"])


def test_one_source_is_shown_with_its_batches(ask, shop):
    found = ask("show", "sales")

    told = [(one["rows"], one["waiting"], one["accepted"], one["quarantined"]) for one in found["batches"]]
    assert told == [(14, 0, 10, 4)]
    assert (found["owner"], found["retention"]) == ("shopkeepers", "until erased")
    assert [one["batch_id"] for one in found["batches"]] == [
        row["batch_id"] for row in shop.tables.read("raw_sales").select("batch_id").distinct().collect()
    ]


def test_people_get_the_same_as_tables(shop, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("jobs.cli.data.context", lambda: shop)
    monkeypatch.setenv("COLUMNS", "200")
    listed, shown = (CliRunner().invoke(app, ["data", *words]).stdout for words in (["ls"], ["show", "sales"]))

    assert re.search(r"sales +│ +14 │ +10 │ +4 │ +0 │ +[\d.]+ MiB │ shopkeepers", listed)
    assert "sales (event), owner shopkeepers, kept until erased" in shown
    assert re.search(r"prepared_sales +│ +10 │ +0 │", shown)
    assert re.search(r"[0-9a-f]+ +│ +14 │ +0 │ +10 │ +4 │ 2023-11-15 00:00:00", shown)


def test_what_was_ingested_is_listed_before_any_of_it_and_what_it_looks_up_is_prepared(ask, spark, tmp_path):
    items = {"kind": "reference", "files": {"path": "items.csv"}, "unique_key": ["id"]}
    items["columns"] = {"id": {"type": "string"}, "colour": {"type": "string"}}
    lookup = {"source": "items", "key": "id", "take": {"item_colour": "colour"}}
    run = changed(made(spark, tmp_path), {"items": items}, lookups={"item": lookup})
    (run.environment.data / "items.csv").write_text("id,colour\na1,red\n")
    put(run, "sales1.csv", [f"a{n},{n},{NOW - 1}" for n in range(3)])

    sales, listed = ask("ls", run=run)
    assert [sales["waiting"], *(table["rows"] for one in (sales, listed) for table in one["tables"])] == [True, 3, 1]
    assert [(one["rows"], one["waiting"]) for one in ask("show", "sales", run=run)["batches"]] == [(3, 3)]
    assert [(one["rows"], one["waiting"]) for one in ask("show", "items", run=run)["batches"]] == [(1, 1)]

    prepare(run)
    put(run, "sales2.csv", [f"b{n},{n},{NOW - 1}" for n in range(2)])

    assert sorted((one["rows"], one["waiting"]) for one in ask("show", "sales", run=run)["batches"]) == [(2, 2), (3, 0)]
    assert [(one["rows"], one["waiting"]) for one in ask("show", "items", run=run)["batches"]] == [(1, 0)]


def test_the_report_ends_with_code_one_where_there_are_findings(ask, shop):
    found = ask("report", "sales", code=1)

    assert found["page"] == str(shop.environment.reports / "sales.html")
    assert [one["check"] for one in found["findings"]] == ["refused"]


def test_quarantined_records_are_told_by_reason(ask):
    found = ask("quarantine", "sales")

    assert found["replayed"] is None
    assert [(one["reason"], one["records"], one["offset"]) for one in found["reasons"]] == [
        ("size: expected at least 0", 3, 10),
        ("record: expected a line of CSV with the 3 fields of its header", 1, 13),
    ]


def test_what_can_be_used_after_a_fix_leaves_the_quarantine_and_the_accounts_are_exact(ask, spark, shop):
    folder = shop.environment.state.parent
    assert ask("quarantine", "sales", "--replay")["replayed"] == {
        "source": "sales", "before": 4, "quarantined": 4, "accepted": 10
    }  # fmt: skip

    columns = shop.project.sources["sales"].model_dump(by_alias=True)["columns"]
    fixed = changed(made(spark, folder), columns={**columns, "size": {**columns["size"], "min": -2}})
    found = ask("quarantine", "sales", "--replay", run=fixed)

    assert found["replayed"] == {"source": "sales", "before": 4, "quarantined": 2, "accepted": 12}
    assert [one["records"] for one in found["reasons"]] == [1, 1]
    assert (fixed.tables.read("prepared_sales").count(), fixed.tables.read("quarantine_sales").count()) == (12, 2)


@pytest.mark.parametrize("command", ["show", "report", "quarantine"])
def test_an_unknown_source_is_answered_with_the_nearest_one(shop, monkeypatch: pytest.MonkeyPatch, command):
    monkeypatch.setattr("jobs.cli.data.context", lambda: shop)

    result = CliRunner().invoke(app, ["data", command, "sale"])

    assert "did you mean 'sales'" in str(result.exception)
