"""How the speed layer fares, as any shell tells it: from a real broker, a real store, and checkpoints' logs."""

import json
from contextlib import contextmanager
from threading import Event, Thread

import pytest
import tenacity
from speed_messages import PARTITIONS, orders, own_topics, refused, request, send, update
from speed_shop import publish_empty_view, shop_context
from typer.testing import CliRunner

from jobs.cli import speed as command
from jobs.cli.main import app
from lambda_core.repositories.log import KafkaTopics
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, UPDATES
from speed_layer.merging import run_merge
from speed_layer.monitoring import lag, speed_status
from speed_layer.monitoring.figures import Figures, FiguresStore
from speed_layer.scoring import run_score

pytestmark = pytest.mark.servers
soon = tenacity.retry(stop=tenacity.stop_after_delay(120), wait=tenacity.wait_fixed(0.05), reraise=True)
runner = CliRunner()
POISON = [b"{}", b"", None, b"\xff\xfe", b'{"definition": "', b"[1, 2]", b"NaN"]


@pytest.fixture
def context(tmp_path, broker, store, monkeypatch):
    monkeypatch.setattr(lag, "WAIT_S", 60)  # people are told after three seconds that nothing was heard
    context = shop_context(tmp_path, broker.address, store.url)
    own_topics(context)
    return context


@contextmanager
def working(run, context):
    """Run a worker in a thread of its own, and end it in order."""
    stop = Event()
    thread = Thread(target=run, kwargs={"context": context, "stop": stop})
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(60)
        assert not thread.is_alive()


def rows_of(found, reader):
    return {(row.name, row.partition): row for row in found.rows if row.reader == reader}


def test_workers_and_what_waits_for_them_are_told_a_partition(context):
    epoch = publish_empty_view(context)
    now_ms = context.clock.now_ms()
    good = [update(context, one, now_ms - 500) for one in orders(0, 7)]
    send(context, UPDATES, [*good[:3], *POISON, good[3].replace(context.definition.id.encode(), b"another"), *good[3:]])
    send(context, REQUESTS, [request(context, offset, now_ms) for offset in range(3)], partition=1)
    send(context, REQUESTS, POISON, partition=1)
    sent = len(good) + len(POISON) + 1
    with working(run_merge, context), working(run_score, context):

        @soon
        def all_is_told():
            found = speed_status(context)
            merge, score = rows_of(found, "merge"), rows_of(found, "score")
            assert merge[epoch, 0].figures.outcomes == {"applied": 7, "unreadable": len(POISON), "other_definition": 1}
            assert (merge[epoch, 0].position, merge[epoch, 0].lag_records, merge[epoch, 0].lag_seconds) == (
                sent,
                0,
                0.0,
            )
            assert 500 <= merge[epoch, 0].figures.fresh_p50_ms <= merge[epoch, 0].figures.fresh_p99_ms < 60_000
            assert (merge[epoch, 1].position, merge[epoch, 1].end) == (None, 0)
            assert score["", 1].figures.outcomes == {"default": 3, "unreadable": len(POISON)}
            assert score["", 1].position == 3 + len(POISON)
            assert {one.worker for one in found.processes if one.lives} == {"merge", "score"}
            assert [sentence.partition(":")[0] for sentence in found.findings] == ["speed"]

        all_is_told()
    now_ms = context.clock.now_ms()
    send(context, UPDATES, [update(context, one, now_ms - 90_000) for one in orders(8, 12)])
    found = speed_status(context)
    row = rows_of(found, "merge")[epoch, 0]
    assert (row.position, row.end, row.lag_records, row.figures) == (sent, sent + 4, 4, None)
    assert 90 <= row.lag_seconds < 120
    lag = f"merge {epoch}, partition 0 of {context.project.project}.updates"
    assert {sentence.partition(":")[0] for sentence in found.findings} == {"speed", "merge", "score", lag}


def test_a_process_whose_figures_have_expired_is_missed_by_its_name_until_it_is_forgotten(context):
    publish_empty_view(context)
    store, now_ms = FiguresStore(context.redis, context.keys), context.clock.now_ms()
    store.leave(Figures("merge", "gone:7", now_ms, now_ms))
    assert [(one.instance, one.figures is None) for one in store.heard()] == [("gone:7", False)]
    assert 0 < context.redis.ttl(context.keys.figures("merge:gone:7")) <= 30
    context.redis.delete(context.keys.figures("merge:gone:7"))  # as time does
    missed = [sentence for sentence in speed_status(context).findings if sentence.startswith("merge:")]
    assert "gone:7 left the last ones" in missed[0]
    store.leave(Figures("merge", "new:1", now_ms, now_ms + 86_400_001))
    assert [one.instance for one in store.heard()] == ["new:1"]
    store.withdraw("merge", "new:1")
    assert store.heard() == []


def test_checkpoints_tell_where_query_and_writers_stand_and_each_refused_record_counts_once(context):
    name = context.project.project
    send(context, f"{name}.orders", [b"{}"] * 9)
    folders = (("updates", 6), ("raw-orders", 4))
    for folder, position in folders:
        for log, lines in (
            ("offsets", ["v1", "{}", json.dumps({f"{name}.orders": {"0": position}})]),
            ("commits", ["v1"]),
        ):
            (context.environment.checkpoints / folder / log).mkdir(parents=True)
            (context.environment.checkpoints / folder / log / "0").write_text("\n".join(lines))
    send(context, QUARANTINE, [refused(offset) for offset in (1, 3, 1, 3, 4)])
    found = speed_status(context)
    query, raw = rows_of(found, "query")["orders", 0], rows_of(found, "raw")["orders", 0]
    assert (query.position, query.end, query.lag_records, query.quarantined) == (6, 9, 3, 3)
    assert (raw.position, raw.lag_records) == (4, 5)
    assert 0 <= query.lag_seconds < 60
    assert rows_of(found, "scores")["", PARTITIONS - 1].position is None
    send(context, QUARANTINE, [refused(5)])
    assert rows_of(speed_status(context), "query")["orders", 0].quarantined == 4


def test_the_command_prints_json_for_programs_and_a_table_for_people_and_fails_when_something_is_missing(
    context, monkeypatch
):
    monkeypatch.setattr(command, "context", lambda: context)
    publish_empty_view(context)
    asked = runner.invoke(app, ["speed", "status", "--json"])
    found = json.loads(asked.output)
    assert asked.exit_code == 1
    assert (found["project"], found["generation"]) == (context.project.project, "g0")
    assert {row["reader"] for row in found["rows"]} == {"query", "raw", "scores", "merge", "score"}
    assert any("start it: mainstem merge" in sentence for sentence in found["findings"])
    shown = runner.invoke(app, ["speed", "status"])
    assert shown.exit_code == 1
    for words in ("Streaming query", "Merge workers", "Scoring workers", "! merge: expected a process"):
        assert words in shown.output


def test_without_redis_the_rest_is_told_and_without_topics_what_to_do(tmp_path, broker):
    context = shop_context(tmp_path, broker.address, "redis://:secret@127.0.0.1:1/0")
    KafkaTopics(broker.address).create({f"{context.project.project}.orders": 1})
    found = speed_status(context)
    assert {row.reader for row in found.rows} == {"query", "raw"}
    assert "Redis at 127.0.0.1:1/0 cannot be reached" in found.findings[0]
    assert all("mainstem" in sentence for sentence in found.findings)
    assert "secret" not in " ".join(found.findings)
