"""The same batches by eight processes at once, of which five are killed before and after commits: each is there once."""

from __future__ import annotations

import json
import signal
from collections import Counter
from pathlib import Path

import pytest

from batch_layer.ingestion import ingest
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


@pytest.fixture
def context(spark, tmp_path: Path):
    """Three files of one source."""
    made = one_source(spark, tmp_path)
    for file in range(FILES):
        lines = "".join(f"{file}-{line}\n" for line in range(LINES))
        (tmp_path / f"{file}.csv").write_text(f"id\n{lines}")
    return made


def found(context):
    """How often each record is in raw, the positions, and how many commits added files under each transaction."""
    rows = context.tables.read("raw_orders").select("value", "offset").collect()
    commits = Counter()
    for commit in sorted((context.environment.tables / "raw_orders" / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in commit.read_text().splitlines()]
        if any("add" in action for action in actions):
            commits[next((action["txn"]["appId"] for action in actions if "txn" in action), None)] += 1
    return Counter(bytes(row["value"]).decode() for row in rows), sorted(row["offset"] for row in rows), commits


def test_batches_that_eight_processes_bring_and_five_die_over_are_committed_once_each(context):
    codes = ingest_at_the_same_time(context, ENDS)
    report = ingest(context)

    records, positions, commits = found(context)
    assert set(codes) <= {0, KILLED}
    assert codes[5:] == [0, 0, 0]
    assert KILLED in codes[:5]
    assert records == {f"{file}-{line}": 1 for file in range(FILES) for line in range(LINES)}
    assert positions == list(range(FILES * LINES))
    assert sorted(commits) == sorted(f"ingest-{batch.batch_id}" for batch in report.batches)
    assert set(commits.values()) == {1}
    assert report.rows_added == 0


def test_without_the_guards_the_same_processes_bring_batches_several_times(context):
    assert ingest_at_the_same_time(context, ["", "", ""], unguarded=True) == [0, 0, 0]

    records, positions, commits = found(context)
    assert set(records.values()) == {3}
    assert positions != list(range(len(positions)))
    assert len(commits) == commits.total() == 3 * FILES
