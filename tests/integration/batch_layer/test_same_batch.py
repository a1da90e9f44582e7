"""The same batches by many processes at once, of which most are killed before and after commits: each is there once.

Lines are committed by the library in Rust, rows by Spark, ranges of a topic under a lock of their own.
"""

from __future__ import annotations

import json
import signal
import uuid
from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batch_layer.ingestion import ingest
from lambda_core.repositories.log import KafkaTopics, producer
from tests.integration.batch_layer.ingesting import ingest_at_the_same_time, one_source

KILLED = -signal.SIGKILL
FILES, LINES = 3, 40
ENDS = [
    "ingest.before_commit:1",
    "ingest.after_commit:1",
    "ingest.before_commit:1",
    "ingest.after_commit:1",
    "ingest.before_commit:2",
    "",
    "",
    "",
]


def lines(folder):
    """Three files of lines, which tasks write as they read them."""
    for file in range(FILES):
        text = "".join(f"{file}-{line}\n" for line in range(LINES))
        (folder / f"{file}.csv").write_text(f"id\n{text}")


def rows(folder):
    """Three files of rows, which Spark writes."""
    for file in range(FILES):
        pq.write_table(pa.table({"id": [f"{file}-{line}" for line in range(LINES)]}), folder / f"{file}.parquet")


@pytest.fixture(params=[(lines, "csv", "{}"), (rows, "parquet", '{{"id":"{}"}}')], ids=["lines", "rows"])
def case(request, spark, tmp_path: Path):
    """Three files of one source, and the records that are in them."""
    put, form, record = request.param
    put(tmp_path)
    made = one_source(spark, tmp_path, files={"path": f"*.{form}", "format": form})
    return made, {record.format(f"{file}-{line}") for file in range(FILES) for line in range(LINES)}


@pytest.fixture
def topic(spark, broker, tmp_path: Path):
    """A topic of one partition."""
    name = f"same_batch_{uuid.uuid4().hex[:8]}.orders"
    KafkaTopics(broker.address).create({name: 1})
    sending = producer(broker.address)
    for offset in range(FILES * LINES):
        sending.produce(name, str(offset).encode(), partition=0)
    assert sending.flush(20) == 0
    return one_source(spark, tmp_path, broker.address, topic=name, ranges={})


def found(context):
    """How often each record is in raw, the positions, and how many commits added files under each transaction."""
    rows = context.tables.read("raw_orders").select("value", "offset").collect()
    commits = Counter()
    for commit in sorted((context.environment.tables / "raw_orders" / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        if any("add" in action for action in actions):
            commits[next((action["txn"]["appId"] for action in actions if "txn" in action), None)] += 1
    return Counter(bytes(row["value"]).decode() for row in rows), sorted(row["offset"] for row in rows), commits


def test_batches_that_eight_processes_bring_and_five_die_over_are_committed_once_each(case):
    context, expected = case
    codes = ingest_at_the_same_time(context, ENDS)
    report = ingest(context)

    records, positions, commits = found(context)
    assert set(codes) <= {0, KILLED}
    assert codes[5:] == [0, 0, 0]
    assert KILLED in codes[:5]
    assert records == dict.fromkeys(expected, 1)
    assert positions == list(range(FILES * LINES))
    assert sorted(commits) == sorted(f"ingest-{batch.batch_id}" for batch in report.batches)
    assert set(commits.values()) == {1}
    assert report.rows_added == 0


def test_without_the_guards_the_same_processes_bring_batches_several_times(case):
    context, _ = case
    assert ingest_at_the_same_time(context, ["", "", ""], unguarded=True) == [0, 0, 0]

    records, positions, commits = found(context)
    assert set(records.values()) == {3}
    assert positions != list(range(len(positions)))
    assert len(commits) == commits.total() == 3 * FILES


def test_ranges_of_a_topic_that_five_processes_cut_differently_and_three_die_over_come_once(topic):
    codes = ingest_at_the_same_time(topic, [*ENDS[:2], ENDS[4], "", ""], cuts=[40, 50, 30, 60, 45])
    report = ingest(topic)

    records, positions, commits = found(topic)
    assert set(codes) <= {0, KILLED}
    assert codes[3:] == [0, 0]
    assert KILLED in codes[:3]
    assert records == {str(offset): 1 for offset in range(FILES * LINES)}
    assert positions == list(range(FILES * LINES))
    assert set(commits.values()) == {1}
    assert report.batches == ()


def test_without_the_guards_ranges_of_a_topic_come_several_times(topic):
    assert ingest_at_the_same_time(topic, ["", ""], cuts=[LINES, LINES], unguarded=True) == [0, 0]

    records, _, commits = found(topic)
    assert set(records.values()) == {2}
    assert commits.total() == len(commits) == 2 * FILES
