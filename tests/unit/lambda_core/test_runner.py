"""What happens around a stage: audit, lineage, notification, and the error that goes on its way."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from lambda_core.audit import FileAuditTrail, MemoryAuditTrail
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_project
from lambda_core.notifications import MemoryNotifier, Notification
from lambda_core.runner import Runner

CONF = Path(__file__).parents[3] / "conf"


@dataclass
class Report:
    rows: int


class MemoryTables:
    """Tables that count their versions and hold nothing."""

    def __init__(self) -> None:
        self.versions: dict[str, int] = {}

    def exists(self, name):
        return name in self.versions

    def read(self, name, version=None):
        return (name, version)

    def append(self, name, frame, transaction=None, note=None):
        return self.replace(name, frame)

    def replace(self, name, frame, where=None, note=None):
        self.versions[name] = self.versions.get(name, -1) + 1
        return self.versions[name]

    def note(self, name):
        return None

    def version(self, name):
        return self.versions[name]


class BrokenNotifier:
    def notify(self, notification: Notification) -> None:
        raise OSError("nobody is at home")


@pytest.fixture
def context(tmp_path: Path):
    made = assemble(load_project(CONF / "flights"), Environment(state=tmp_path), FixedClock(1_000))
    made.builders["tables"] = lambda _: MemoryTables()
    return made


def test_a_stage_that_succeeds_leaves_what_it_read_and_wrote(context):
    audit = MemoryAuditTrail()

    def work(inner):
        inner.tables.replace("clean", "rows")
        inner.tables.read("clean")
        return Report(rows=3)

    report = Runner(context, audit, MemoryNotifier()).run("preparation", work)

    (record,) = audit.kept
    assert report == Report(3)
    assert record["result"] == "succeeded"
    assert record["written"] == {"clean": 0}
    assert record["read"] == {"clean": 0}
    assert record["report"] == {"rows": 3}
    assert record["run_id"] == context.run_id


def test_a_stage_that_fails_is_audited_and_notified_and_its_error_goes_on(context):
    audit, notifier = MemoryAuditTrail(), MemoryNotifier()

    def work(_):
        raise ValueError("too few rows")

    with pytest.raises(ValueError, match="too few rows"):
        Runner(context, audit, notifier).run("training", work)

    assert audit.kept[0]["result"] == "failed"
    assert notifier.heard == [Notification("error", "stage training failed", "ValueError: too few rows")]


def test_a_notifier_that_fails_stops_nothing(context):
    audit = MemoryAuditTrail()
    runner = Runner(context, audit, BrokenNotifier())

    with pytest.raises(ValueError, match="of the stage"):
        runner.run("training", lambda _: (_ for _ in ()).throw(ValueError("of the stage")))

    assert audit.kept[0]["result"] == "failed"


def test_the_audit_trail_is_kept_in_a_file_line_by_line(context, tmp_path: Path):
    runner = Runner(context)

    runner.run("one", lambda _: None)
    runner.run("two", lambda _: None)

    trail = FileAuditTrail(tmp_path / "audit.jsonl").entries()
    assert [entry["stage"] for entry in trail] == ["one", "two"]
    assert trail[0]["settings"] == trail[1]["settings"]


def test_the_hash_of_the_settings_does_not_hold_the_redis_password(context):
    with_password = Environment(state=context.environment.state, redis="redis://:secret@127.0.0.1/0")
    other = assemble(context.project, with_password)
    audit = MemoryAuditTrail()

    Runner(context, audit).run("one", lambda _: None)
    Runner(other, audit).run("one", lambda _: None)

    assert audit.kept[0]["settings"] == audit.kept[1]["settings"]
