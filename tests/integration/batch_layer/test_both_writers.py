"""One raw table, written in turn by Spark and by Delta's library: each reads, and respects, what the other wrote."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import deltalake
import pyarrow.parquet as pq
import pytest
from delta.tables import DeltaTable

from batch_layer.ingestion import ingest
from batch_layer.ingestion.known import Known
from lambda_core.repositories.raw_log import RawLog, log_rows, raw_schema
from lambda_core.repositories.table_files import TableFile
from lambda_core.repositories.tables import Commit
from tests.integration.batch_layer.ingesting import NOW, one_source


@pytest.fixture
def context(spark, tmp_path: Path):
    return one_source(spark, tmp_path)


def put(context, number):
    (context.environment.data / f"{number:02}.csv").write_bytes(b"id\nfile %d\n" % number)


def stream(context, number):
    """What the speed layer's raw writer does with a batch of one record."""
    row = [(b"record %d" % number, 0, number, NOW)]
    frame = context.spark.createDataFrame(row, "value binary, `partition` int, `offset` bigint, append_time_ms bigint")
    RawLog(context, "orders").append(log_rows(frame, "orders", f"log-{number}", NOW), ("writer", number))


def log_of(context):
    return context.environment.tables / "raw_orders" / "_delta_log"


def actions(context, version):
    return [json.loads(line) for line in (log_of(context) / f"{version:020}.json").read_text().splitlines()]


def found(context):
    """Position and bytes of each record."""
    rows = context.tables.read("raw_orders").collect()
    return sorted((row["partition"], row["offset"], bytes(row["value"]).decode()) for row in rows)


def test_commits_of_both_in_turn_are_all_there_across_checkpoints_and_twice_adds_nothing(context):
    turns = 6
    for number in range(turns):  # two commits a turn: the library's and Spark's, past the tenth
        put(context, number)
        assert ingest(context).rows_added == 1
        stream(context, number)

    again = ingest(context)
    for number in range(turns):
        stream(context, number)

    assert found(context) == [
        *((-1, number, f"file {number}") for number in range(turns)),
        *((0, number, f"record {number}") for number in range(turns)),
    ]
    assert again.rows_added == 0
    assert [path.name[:20] for path in log_of(context).glob("*.checkpoint*.parquet")] == [f"{10:020}"]
    history = DeltaTable.forPath(context.spark, str(log_of(context).parent)).history()
    assert {row["engineInfo"].partition("/")[0].partition(":")[0] for row in history.collect()} == {
        "Apache-Spark",
        "delta-rs",
    }


def test_a_checkpoint_of_the_library_keeps_transactions_and_rows_for_spark(context):
    for number in range(12):
        put(context, number)
    report = ingest(context)
    for version in range(10):  # what the checkpoint stands for is gone
        (log_of(context) / f"{version:020}.json").unlink()

    first = context.tables.folder("raw_orders") / "again.parquet"
    first.write_bytes(b"no Parquet, and never read")
    twice = context.tables.append_files(
        "raw_orders",
        (TableFile(first.name, 1, {}, {}),),
        raw_schema(),
        (f"ingest-{report.batches[0].batch_id}", 1),
    )
    context.tables.append(
        "raw_orders", context.tables.read("raw_orders"), transaction=(f"ingest-{report.batches[1].batch_id}", 1)
    )

    assert twice == context.tables.version("raw_orders") == 11
    assert found(context) == [(-1, number, f"file {number}") for number in range(12)]


def test_a_table_that_the_library_makes_is_what_spark_would_have_made(context, spark):
    put(context, 0)
    ingest(context)
    ours = actions(context, 0)

    context.tables.append("raw_spark", context.tables.read("raw_orders"))

    log = context.environment.tables / "raw_spark" / "_delta_log" / f"{0:020}.json"
    theirs = [json.loads(line) for line in log.read_text().splitlines()]
    made, wanted = (
        next(action["metaData"] for action in actions if "metaData" in action) for actions in (ours, theirs)
    )
    assert json.loads(made["schemaString"]) == json.loads(wanted["schemaString"])
    assert made["configuration"] == wanted["configuration"]
    assert [a["protocol"] for a in ours if "protocol" in a] == [a["protocol"] for a in theirs if "protocol" in a]
    stats = [
        json.loads(next(action["add"]["stats"] for action in actions if "add" in action)) for actions in (ours, theirs)
    ]
    assert stats[0] == stats[1]


def put_file(context, name, rows, columns):
    """Rows in a file of a table's folder, and the columns as Spark knows them."""
    frame = context.spark.createDataFrame(rows, columns)
    path = context.tables.folder(name) / f"part-{uuid.uuid4()}.parquet"
    pq.write_table(frame.toArrow(), path)
    return (TableFile(path.name, len(rows), {"t_ms": rows[0][0]}, {"t_ms": rows[-1][0]}),), frame.schema


def test_files_take_the_place_of_all_rows_with_columns_and_a_note_of_their_own_whoever_wrote_before(context):
    tables = context.tables
    first = tables.replace_files("things", *put_file(context, "things", [(1, "a"), (2, "b")], "t_ms bigint, x string"))
    by_spark = tables.replace(
        "things", context.spark.createDataFrame([(9, "c")], "t_ms bigint, x string"), "t_ms >= 2", note="part"
    )
    wider = put_file(context, "things", [(3, 0.5, ["u"])], "t_ms bigint, y double, z array<string>")
    last = tables.replace_files("things", *wider, note="whole")

    assert (first, by_spark, last) == (0, 1, 2)
    assert sorted(map(tuple, tables.read("things", 0).collect())) == [(1, "a"), (2, "b")]
    assert sorted(map(tuple, tables.read("things", 1).collect())) == [(1, "a"), (9, "c")]
    assert list(map(tuple, tables.read("things").collect())) == [(3, 0.5, ["u"])]
    assert tables.read("things").where("t_ms > 3").count() == 0
    assert tables.note("things") == "whole"
    assert tables.replace_files("things", (), wider[1]) == 3
    assert tables.read("things").columns == ["t_ms", "y", "z"]
    assert tables.read("things").count() == 0
    assert tables.note("things") is None


def test_files_of_a_run_that_was_killed_before_the_table_was_there_are_in_nobodys_way(context):
    folder = context.tables.folder("raw_orders")
    (folder / "part-of-nobody.zstd.parquet").write_bytes(b"half of a file")

    stream(context, 0)
    put(context, 0)
    ingest(context)

    assert found(context) == [(-1, 0, "file 0"), (0, 0, "record 0")]
    assert deltalake.DeltaTable(str(folder)).vacuum(dry_run=True) == []  # it is too young to be removed
    assert len(found(context)) == 2


def test_a_batch_that_raw_has_is_not_brought_again_by_a_run_that_does_not_know_it(context, monkeypatch):
    for number in range(3):
        put(context, number)
    ingest(context, ["orders"])
    before = found(context)
    monkeypatch.setattr(Known, "of", classmethod(lambda cls, *_: cls()))

    ingest(context)

    assert found(context) == before
    assert context.tables.version("raw_orders") == 2


def test_files_that_were_written_for_other_positions_are_written_again(context, monkeypatch):
    """Another process brought the second of three files in between: the third goes behind it."""
    for number in range(2):
        put(context, number)
    ingest(context)
    (context.environment.data / "00.csv").write_bytes(b"id\nfile 2\nmore\n")
    put(context, 3)
    of, stale = Known.of, Known(next_offset=0)
    monkeypatch.setattr(Known, "of", classmethod(lambda *_: stale))
    known = of.__func__(Known, context, "raw_orders")
    stale.rows, stale.next_offset = {}, known.next_offset

    ingest(context)

    assert [value for *_, value in found(context)] == ["file 0", "file 1", "file 2", "more", "file 3"]
    assert [offset for _, offset, _ in found(context)] == [0, 1, 2, 3, 4]


def test_a_header_alone_is_a_commit_without_rows_whichever_comes_first(context):
    (context.environment.data / "a.csv").write_bytes(b"id\n")
    (context.environment.data / "b.csv").write_bytes(b"id\n1\n")

    reports = [ingest(context), ingest(context)]

    assert [report.rows_added for report in reports] == [1, 0]
    assert found(context) == [(-1, 0, "1")]
    assert context.tables.version("raw_orders") == 1
    assert context.tables.commit("raw_orders", 0) == Commit(f"ingest-{reports[0].batches[0].batch_id}", 0, {})
