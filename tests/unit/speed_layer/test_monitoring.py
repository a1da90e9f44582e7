"""What the speed layer tells of itself: figures a partition, lag, checkpoints, quarantined records, findings."""

import json
import os
import random
from types import SimpleNamespace

import msgspec
import pytest
import structlog
from prometheus_client import CollectorRegistry, generate_latest

from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.errors import KafkaError
from lambda_core.repositories.memory_topics import MemoryTopics
from lambda_core.schemas.messages import Quarantined
from speed_layer.monitoring import Measures
from speed_layer.monitoring.figures import Figures, Heard, PartitionFigures, partition_figures
from speed_layer.monitoring.findings import allowed_s, findings
from speed_layer.monitoring.lag import Lag, lags
from speed_layer.monitoring.metrics import SpeedCollector
from speed_layer.monitoring.progress import newest
from speed_layer.monitoring.quarantined import Tally, add
from speed_layer.monitoring.standing import Row
from speed_layer.monitoring.status import Process, Status, summed

LOG = structlog.get_logger()
NOW = 100_000


def measures_of(clock):
    measures = Measures("merge", clock, LOG)
    measures.begun({0: 5, 1: 0})
    measures.count(0, {"applied": 2, "fenced": 0})
    measures.count(0, {"applied": 1, "duplicates": 1})
    measures.done({0: [NOW - 3, NOW - 40, NOW - 1_000_000]}, {0: 9}, lag_records=7)
    return measures


# --- measures -----------------------------------------------------------------------------------------------------


def test_what_became_of_records_is_told_a_partition_and_over_all():
    measures = measures_of(FixedClock(NOW))
    measures.count(1, {"applied": 4})
    own = measures.by_partition()
    assert {partition: dict(one.outcomes) for partition, one in own.items()} == {
        0: {"applied": 3, "duplicates": 1},
        1: {"applied": 4},
    }
    assert measures.totals == {"applied": 7, "duplicates": 1}
    assert {partition: (one.position, one.done_ms) for partition, one in own.items()} == {0: (9, NOW), 1: (0, None)}


def test_freshness_is_from_append_to_done_a_partition():
    own = measures_of(FixedClock(NOW)).by_partition()
    assert (own[0].freshness_ms(0.5), own[0].freshness_ms(0.99)) == (40, 1_000_000)
    assert own[1].freshness_ms(0.5) is None


def test_a_partition_that_the_worker_no_longer_reads_has_no_position():
    measures = measures_of(FixedClock(NOW))
    measures.begun({1: 3})
    assert {partition: one.position for partition, one in measures.by_partition().items()} == {0: None, 1: 3}


def test_figures_taken_do_not_change_with_the_worker():
    measures = measures_of(FixedClock(NOW))
    taken = measures.by_partition()
    measures.count(0, {"applied": 1})
    measures.done({0: [NOW]}, {0: 10}, 0)
    assert (taken[0].outcomes["applied"], taken[0].position, len(taken[0].fresh_ms)) == (3, 9, 3)


def test_a_reason_to_wait_stands_until_the_worker_goes_on():
    measures = measures_of(FixedClock(NOW))
    measures.waits("Redis is away")
    assert measures.waits_for == "Redis is away"
    measures.done({}, {0: 10}, 0)
    assert measures.waits_for == ""


def test_the_log_has_a_line_only_when_one_is_due_and_something_happened():
    clock, said = FixedClock(NOW), []
    measures = Measures("merge", clock, SimpleNamespace(info=lambda event, **told: said.append((event, told))))
    measures.line()
    clock.advance(10_000)
    measures.line()
    measures.done({0: [NOW]}, {0: 1}, 2)
    measures.line()
    measures.line()
    assert [(event, told["lag_records"], told["fresh_p50_ms"]) for event, told in said] == [
        ("worker goes on", 2, 10_000)
    ]


# --- lag ----------------------------------------------------------------------------------------------------------


def test_lag_is_what_waits_and_how_old_the_oldest_of_it_is():
    topics = MemoryTopics({"t": {0: [1] * 5, 1: [1] * 3, 2: [], 3: [1] * 2}})
    asked = {}

    def oldest(topic, positions):
        asked.update(positions)
        return {0: NOW - 2_500}

    assert lags(topics, oldest, "t", {0: 2, 1: 3, 2: None, 3: None}, NOW) == {
        0: Lag(2, 0, 5, 3, 2.5),
        1: Lag(3, 0, 3, 0, 0.0),
        2: Lag(0, 0, 0, 0, 0.0),
        3: Lag(0, 0, 2, 2, None),
    }
    assert asked == {0: 2, 3: 0}


def test_a_position_outside_the_log_is_told_and_no_record_is_asked_for():
    topics = MemoryTopics({"t": {0: [1] * 5}})
    assert lags(topics, lambda *_: {}, "t", {0: 9}, NOW) == {0: Lag(9, 0, 5, 0, 0.0)}


# --- checkpoints --------------------------------------------------------------------------------------------------


def checkpoint(folder, batches, commits):
    for name in ("offsets", "commits"):
        (folder / name).mkdir(parents=True)
    for number, sources in batches.items():
        lines = ["v1", '{"batchWatermarkMs":0}', *(json.dumps(one) for one in sources)]
        (folder / "offsets" / str(number)).write_text("\n".join(lines))
        (folder / "offsets" / f".{number}.crc").write_text("")
    for number in commits:
        (folder / "commits" / str(number)).write_text("v1\n{}")
        os.utime(folder / "commits" / str(number), (number, number))
    (folder / "commits" / f".{max(commits, default=0)}.crc").write_text("")
    return folder


def test_a_query_stands_where_its_newest_committed_batch_ends(tmp_path):
    batches = {9: [{"a": {"0": 1}}], 10: [{"a": {"0": 7, "1": 8}}, {"b": {"0": 3}}], 11: [{"a": {"0": 99}}]}
    found = newest(checkpoint(tmp_path / "updates", batches, commits=[9, 10]))
    assert (found.batch, found.at_ms) == (10, 10_000)
    assert found.positions == {"a": {0: 7, 1: 8}, "b": {0: 3}}


@pytest.mark.parametrize("commits", [[], [4]])
def test_a_query_without_a_whole_checkpoint_stands_nowhere(tmp_path, commits):
    assert newest(checkpoint(tmp_path / "updates", {}, commits)) is None
    assert newest(tmp_path / "nowhere") is None


# --- quarantined records ------------------------------------------------------------------------------------------


def refused(source, partition, offset):
    return msgspec.json.encode(Quarantined(source, partition, offset, 0, ["why"], ""))


def test_every_quarantined_record_counts_once_however_often_a_restarted_query_says_so():
    draw = random.Random(11)
    for _ in range(200):
        bad = {(s, p): sorted(draw.sample(range(50), draw.randrange(9))) for s in "ab" for p in range(2)}
        said = []
        for (source, partition), offsets in bad.items():
            kept = 0
            while kept < len(offsets):  # each attempt begins at a checkpoint, and says what comes in order
                end = draw.randint(kept, len(offsets))
                said += [(source, partition, offset) for offset in offsets[kept:end]]
                kept = draw.randint(kept, end) if draw.random() < 0.7 else end
        messages = [(0, place, refused(*one)) for place, one in enumerate(said)]
        cut = draw.randint(0, len(messages))
        tally = add(add(Tally(), messages[:cut]), messages[cut:])
        assert {key: tally.of(*key) for key in bad} == {key: len(offsets) for key, offsets in bad.items()}


def test_messages_of_the_quarantine_topic_that_are_none_of_ours_are_counted_apart():
    tally = add(Tally(), [(1, 4, b"{"), (1, 5, b"\xff"), (1, 6, refused("a", 0, 3))])
    assert (tally.unreadable, tally.of("a", 0), tally.positions) == (2, 1, {1: 7})


# --- figures ------------------------------------------------------------------------------------------------------


def heard(worker, partitions, instance="one:1"):
    return Heard(worker, instance, NOW, Figures(worker, instance, 0, NOW, partitions=partitions))


def test_two_workers_on_a_partition_are_added_up_and_one_that_left_it_is_not():
    first = heard("merge", {0: PartitionFigures(5, {"applied": 2, "fenced": 1}, 3, 9, done_ms=10)})
    second = heard("merge", {0: PartitionFigures(6, {"applied": 4}, 4, 8, done_ms=20)}, "two:1")
    left = heard("merge", {0: PartitionFigures(None, {"applied": 100})}, "three:1")
    other = heard("score", {0: PartitionFigures(1, {"merged": 1})})
    expired = Heard("merge", "four:1", NOW - 60_000, None)
    found = summed("merge", 0, [first, second, left, other, expired])
    assert found == PartitionFigures(6, {"applied": 6, "fenced": 1}, 4, 8, done_ms=20)
    assert summed("merge", 1, [first]) is None


def test_what_a_worker_leaves_is_what_it_measured():
    left = partition_figures(measures_of(FixedClock(NOW)))
    assert left[0] == PartitionFigures(9, {"applied": 3, "duplicates": 1}, 40, 1_000_000, NOW)
    assert left[1] == PartitionFigures(0, {})


# --- Prometheus ---------------------------------------------------------------------------------------------------


def page(rows, measures=None):
    registry = CollectorRegistry()
    registry.register(SpeedCollector(rows, measures))
    return generate_latest(registry).decode().splitlines()


def test_metrics_tell_lag_outcomes_and_freshness_a_partition():
    row = Row("merge", "e.0", "s.updates", 1, 3, 0, 9, 6, 2.5)
    said = page(lambda: [row], measures_of(FixedClock(NOW)))
    place = '{name="e.0",partition="1",reader="merge",topic="s.updates"}'
    for line in (
        f"mainstem_lag_records{place} 6.0",
        f"mainstem_lag_seconds{place} 2.5",
        f"mainstem_position{place} 3.0",
        'mainstem_worker_records_total{outcome="applied",partition="0",worker="merge"} 3.0',
        'mainstem_worker_freshness_seconds_bucket{le="0.05",partition="0",worker="merge"} 2.0',
        'mainstem_worker_freshness_seconds_bucket{le="+Inf",partition="0",worker="merge"} 3.0',
        'mainstem_worker_freshness_seconds_sum{partition="0",worker="merge"} 1000.043',
        'mainstem_worker_waits{worker="merge"} 0.0',
        "mainstem_log_answers 1.0",
    ):
        assert line in said


def test_metrics_tell_quarantined_records_of_a_source_and_no_age_that_is_unknown():
    said = page(lambda: [Row("query", "orders", "o", 0, None, 2, 9, 7, None, quarantined=4)])
    assert 'mainstem_quarantined_records_total{partition="0",source="orders"} 4.0' in said
    assert 'mainstem_position{name="orders",partition="0",reader="query",topic="o"} 2.0' in said
    assert not [line for line in said if line.startswith("mainstem_lag_seconds{")]


def test_metrics_go_on_without_the_log():
    def away():
        raise KafkaError("away")

    said = page(away, measures_of(FixedClock(NOW)))
    assert "mainstem_log_answers 0.0" in said
    assert any(line.startswith("mainstem_worker_records_total") for line in said)


# --- findings -----------------------------------------------------------------------------------------------------

SHOP = SimpleNamespace(feature_groups={"g": 1}, models={"m": 1})


def context(**speed):
    environment = Environment.model_validate(
        {"speed": {"trigger": "realtime 30 seconds", "max_lag": "1 minute", **speed}}
    )
    return SimpleNamespace(environment=environment, project=SHOP)


def status(**changes):
    """A status in which all is well."""
    own = {
        "generation": "g1",
        "epoch": "e.0",
        "held": True,
        "processes": [Process(name, "one:1", NOW - 1_000, lives=True) for name in ("speed", "merge", "score")],
        "rows": [
            Row("query", "orders", "o", 0, 3, 0, 9, 6, 89.0, quarantined=0),
            Row("merge", "e.0", "s.updates", 0, 9, 0, 9, 0, 0.0, PartitionFigures(9, {})),
            Row("score", "", "s.requests", 0, 9, 0, 10, 1, 60.0, PartitionFigures(9, {})),
        ],
        **changes,
    }
    return Status("s", NOW, **own)


def only(**changes):
    (found,) = findings(context(), status(**changes), redis_is_away=False)
    return found


def test_nothing_is_found_while_all_is_well():
    assert findings(context(), status(), redis_is_away=False) == []


def test_a_process_that_left_no_figures_lately_is_missed_by_name_with_what_to_do():
    own = [one for one in status().processes if one.worker != "merge"]
    assert only(processes=own) == (
        "merge: expected a process that left figures within 30 s, found none; look at its log, and start it: mainstem merge"
    )
    gone = [*own, Process("merge", "one:7", NOW - 45_000, lives=False)]
    assert "(one:7 left the last ones 45 s ago)" in only(processes=gone)


def test_no_process_is_missed_that_the_project_does_not_need_and_none_while_redis_is_away():
    bare = SimpleNamespace(environment=context().environment, project=SimpleNamespace(feature_groups={}, models={}))
    own = [one for one in status().processes if one.worker == "speed"]
    rows = [row for row in status().rows if row.reader == "query"]
    assert findings(bare, status(processes=own, rows=rows), redis_is_away=False) == []
    assert findings(context(), status(processes=[], epoch=None), redis_is_away=True) == []


def test_a_worker_that_waits_says_for_what():
    own = [
        msgspec.structs.replace(one, waits_for="Redis is away") for one in status().processes if one.worker == "score"
    ]
    others = [one for one in status().processes if one.worker != "score"]
    assert only(processes=[*others, *own]) == "score one:1 does nothing, since Redis is away"


def test_a_missing_view_and_a_lost_epoch_are_told_with_what_to_do():
    assert "run: mainstem batch run publishing" in only(epoch=None, rows=[])
    assert "expected Redis to hold epoch e.0" in only(held=False)
    assert "to have all updates again since Redis was started again" in only(caught_up=False)


def test_a_partition_that_nobody_reads_is_told():
    rows = [Row("merge", "e.0", "s.updates", 1, 9, 0, 9, 0, 0.0)]
    assert "expected a worker that reads partition 1 of s.updates" in only(rows=rows)


def test_a_lag_beyond_what_is_declared_is_told_and_one_at_it_is_not():
    rows = [Row("score", "", "s.requests", 0, 4, 0, 10, 6, 60.1, PartitionFigures(4, {}))]
    found = only(rows=rows)
    assert "found 6 that wait, the oldest for 60 s" in found
    assert found.endswith("start another one: mainstem score")
    unknown = [msgspec.structs.replace(rows[0], lag_seconds=None)]
    assert "the oldest could not be read" in only(rows=unknown)


def test_a_reader_by_checkpoints_is_given_the_time_between_them_besides():
    assert [allowed_s(context(raw_trigger="5 s"), reader) for reader in ("query", "raw", "merge")] == [90, 65, 60]
    assert allowed_s(context(trigger="2 seconds"), "query") == 62


@pytest.mark.parametrize("position", [1, 11])
def test_a_position_outside_the_log_is_found(position):
    rows = [Row("merge", "e.0", "s.updates", 0, position, 2, 10, 0, 0.0, PartitionFigures(9, {}))]
    assert f"expected its position {position} between the log's begin 2 and end 10" in only(rows=rows)


def test_an_epoch_of_a_previous_definition_may_lag():
    rows = [*status().rows, Row("merge", "d.4", "s.updates", 0, 2, 0, 10, 8, 999.0)]
    assert findings(context(), status(rows=rows), redis_is_away=False) == []
