"""Files into raw tables: every byte, in order, once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from batch_layer.ingestion import adding, ingest
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.errors import ConfigError, DataError
from lambda_core.repositories.tables import Commit, DeltaTables

NOW = 1_700_000_000_000


def shop(form: str = "csv", pattern: str = "orders/*") -> Project:
    source = {
        "kind": "reference",
        "files": {"path": pattern, "format": form},
        "columns": {"id": {"type": "string"}},
        "unique_key": ["id"],
    }
    live = {"kind": "reference", "topic": "live", "columns": {"id": {"type": "string"}}, "unique_key": ["id"]}
    return Project.model_validate({"project": "shop", "sources": {"orders": source, "live": live}})


@pytest.fixture
def context(spark, tmp_path: Path) -> Callable[..., RunContext]:
    (tmp_path / "data" / "orders").mkdir(parents=True)

    def make(project: Project) -> RunContext:
        environment = Environment(state=tmp_path / "state", data=tmp_path / "data")
        made = assemble(project, environment, FixedClock(NOW))
        made.builders["spark"] = lambda _: spark
        return made

    return make


def put(context: RunContext, name: str, content: bytes) -> None:
    (context.environment.data / "orders" / name).write_bytes(content)


def raw(context: RunContext) -> list:
    return context.tables.read("raw_orders").orderBy("offset").collect()


def test_lines_arrive_as_they_are_with_position_batch_and_header(context):
    run = context(shop())
    put(run, "a.csv", b'\xef\xbb\xbfid,name\r\n1,"x"\r\n\r\nbroken \xff\n"2"",')

    report = ingest(run)

    rows = raw(run)
    assert [bytes(row["value"]) for row in rows] == [b'1,"x"', b"broken \xff", b'"2"",']
    assert [row["offset"] for row in rows] == [0, 2, 3]
    first = rows[0].asDict()
    assert (first["header"], first["format"], first["origin"], first["place"]) == (
        "id,name",
        "csv",
        "file",
        "orders/a.csv",
    )
    assert (first["partition"], first["append_time_ms"], first["ingest_time_ms"]) == (-1, NOW, NOW)
    assert first["batch_id"] == report.batches[0].batch_id
    assert first["fingerprint"] == report.batches[0].fingerprint
    assert report.rows_added == 3


def test_a_file_ingested_twice_adds_nothing_even_under_another_name(context):
    run = context(shop())
    put(run, "a.csv", b"id\n1\n2\n")
    ingest(run)
    put(run, "b.csv", b"id\n1\n2\n")

    report = ingest(run)

    assert [(file.rows, file.added) for file in report.batches] == [(2, False), (2, False)]
    assert report.rows_added == 0
    assert len(raw(run)) == 2


def test_files_are_numbered_one_after_the_other(context):
    run = context(shop())
    put(run, "b.csv", b"id\n3\n")
    put(run, "a.csv", b"id\n1\n2\n")
    ingest(run)
    put(run, "0.csv", b"id,more\n4,\n")

    report = ingest(run)

    assert [(row["offset"], bytes(row["value"])) for row in raw(run)] == [(0, b"1"), (1, b"2"), (2, b"3"), (3, b"4,")]
    assert len({file.fingerprint for file in report.batches}) == 2


def test_files_of_many_chunks_keep_the_order_of_their_lines(context):
    run = context(shop())
    lines = [b"%d,%s" % (number, b"x" * (number % 90)) for number in range(200_000)]
    put(run, "a.csv", b"id,pad\n" + b"\n".join(lines))

    assert ingest(run).rows_added == 200_000

    table = run.tables.read("raw_orders")
    assert table.where("cast(split_part(cast(value as string), ',', 1) as bigint) <> offset").count() == 0
    assert table.selectExpr("count(distinct offset) as n").collect()[0]["n"] == 200_000
    assert table.rdd.getNumPartitions() > 1


def test_json_lines_have_no_header_and_the_keys_name_their_shape(context):
    run = context(shop("json"))
    put(run, "a.json", b'{"b":1,"a":2}\n{"a":3}\n')
    put(run, "b.json", b'{"a":1,"b":2}\n')

    report = ingest(run)

    assert [row["header"] for row in raw(run)] == [None, None, None]
    assert report.batches[0].fingerprint == report.batches[1].fingerprint


def test_writers_at_the_same_time_add_each_file_once_at_positions_of_its_own(context):
    run = context(shop())
    for name in "abc":
        put(run, f"{name}.csv", b"id\n" + b"".join(b"%s%d\n" % (name.encode(), number) for number in range(50)))
    runs = [context(shop()) for _ in range(3)]
    threads = [threading.Thread(target=ingest, args=(one,)) for one in runs]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    rows = raw(run)
    assert len(rows) == 150
    assert [row["offset"] for row in rows] == list(range(150))
    assert len({bytes(row["value"]) for row in rows}) == 150


def test_a_commit_whose_answer_was_lost_is_not_made_twice(context):
    run = context(shop())
    put(run, "a.csv", b"id\n1\n")
    batch = ingest(run).batches[0].batch_id

    DeltaTables(run.spark, run.environment.tables).append(
        "raw_orders", run.tables.read("raw_orders"), transaction=(f"ingest-{batch}", 1)
    )

    assert len(raw(run)) == 1


def test_a_commit_tells_what_it_added(context):
    run = context(shop())
    put(run, "a.csv", b"id\n1\n\n2\n")
    put(run, "b.csv", b"id\n3\n")
    first, second = (batch.batch_id for batch in ingest(run).batches)

    both = {"partition": -1, "append_time_ms": NOW}
    assert run.tables.commit("raw_orders", 0) == Commit(f"ingest-{first}", 2, {**both, "offset": 2})
    assert run.tables.commit("raw_orders", 1) == Commit(f"ingest-{second}", 1, {**both, "offset": 3})


def test_what_the_newest_commit_does_not_tell_is_looked_up(context, monkeypatch):
    run = context(shop())
    for name, lines in {"a": b"1\n2\n", "b": b"3\n", "c": b"4\n"}.items():
        put(run, f"{name}.csv", b"id\n" + lines)
    monkeypatch.setattr(DeltaTables, "commit", lambda *_: Commit("of somebody else", 7, {"offset": 70}))

    report = ingest(run)

    assert [batch.rows for batch in report.batches] == [2, 1, 1]
    assert [row["offset"] for row in raw(run)] == [0, 1, 2, 3]


def test_several_files_are_written_once_and_committed_one_by_one(context, monkeypatch):
    run, asked = context(shop()), []
    for name in ("a", "b", "c"):
        put(run, f"{name}.csv", b"id\n1%s\n\n2%s\n\n" % (name.encode(), name.encode()))
    write = adding.write_files
    monkeypatch.setattr(adding, "write_files", lambda *given: asked.append(len(given[-1])) or write(*given))

    ingest(run)

    assert asked == [3]
    assert run.tables.version("raw_orders") == 2
    assert [row["offset"] for row in raw(run)] == [0, 2, 3, 5, 6, 8]


def test_a_missing_file_says_where_it_was_expected_and_what_to_do(context):
    run = context(shop(pattern="orders/march.csv"))

    with pytest.raises(DataError) as missing:
        ingest(run)

    assert f"source orders: expected a file at {run.environment.data}/orders/march.csv, found none" in str(
        missing.value
    )
    assert "sources.orders.files.path or MAINSTEM_DATA" in str(missing.value)


def test_an_empty_file_has_no_header_and_is_refused(context):
    run = context(shop())
    put(run, "a.csv", b"")

    with pytest.raises(DataError, match="expected a header line, found none"):
        ingest(run)


def test_a_file_with_a_header_alone_is_a_batch_of_no_records(context):
    run = context(shop())
    put(run, "a.csv", b"id\n")

    assert ingest(run).rows_added == 0
    assert raw(run) == []


def test_a_source_without_files_is_left_to_the_speed_layer(context):
    run = context(shop())

    assert ingest(run, ["live"]).batches == ()


def test_an_unknown_source_gets_the_nearest_name(context):
    with pytest.raises(ConfigError, match="did you mean 'orders'"):
        ingest(context(shop()), ["order"])
