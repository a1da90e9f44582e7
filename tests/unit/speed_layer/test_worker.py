"""The workers' loop with a log and a store that forget, break and come back."""

import json
from threading import Event

import pytest
import structlog

from lambda_core.clock import FixedClock
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError, EpochError, PositionError, StoreError
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.merge_store import MergeCounts
from speed_layer.checkpoint import claim
from speed_layer.merging.handling import MergeHandler, Target
from speed_layer.monitoring import Measures
from speed_layer.positions import start_positions
from speed_layer.preparation.prepare import parse_trigger
from speed_layer.worker import Record, Worker, run_until

LOG = structlog.get_logger()
SHOP = compile_definition(
    Project.model_validate(
        {
            "project": "shop",
            "sources": {
                "orders": {
                    "topic": "orders",
                    "columns": {"customer": {"type": "string"}, "weight": {"type": "float"}},
                    "derive": {"at": {"type": "timestamp", "expression": "now()"}},
                    "event_time": "at",
                }
            },
            "entities": {"customer": {"keys": ["customer"]}},
            "feature_groups": {
                "orders": {
                    "source": "orders",
                    "entity": "customer",
                    "features": [{"column": "weight", "aggregations": ["sum"], "windows": ["1h"]}],
                }
            },
        }
    )
)


def update(offset, definition=SHOP.id, weight="0.1"):
    fields = {"group": "orders", "entity": "c", "partition": 0, "offset": offset, "append_ms": 1_000, "event_ms": 900}
    return json.dumps({"definition": definition, **fields, "row": [weight]}).encode()


class MemoryLog:
    """One partition."""

    def __init__(self, values):
        self.values = values
        self.next = 0
        self.seeks = []

    def seek(self, positions):
        self.next = positions[0]
        self.seeks.append(self.next)

    def poll(self, limit, wait_s):
        found = [Record(0, place, self.values[place]) for place in range(self.next, len(self.values))][:limit]
        self.next += len(found)
        return found

    def lag(self, positions):
        return len(self.values) - positions[0]


class ForgetfulStore:
    """A store with a fence, whose server can go away, lose its last second, or lose its epoch."""

    def __init__(self, epochs=("e.0",), definition=SHOP):
        self.epochs = list(epochs)
        self.definition = definition
        self.fence = {}
        self.rows = []
        self.kept = {}
        self.end = 0
        self.noted = []
        self.broken = False
        self.fail_next = []

    def open(self):
        self.broken = False

    def targets(self):
        self._may_fail("look")
        return tuple(Target(self.definition, epoch, 0) for epoch in self.epochs)

    def positions(self, epochs):
        return {0: min(self.kept.get(epoch, 0) for epoch in epochs)}

    def ends(self):
        return {0: self.end}

    def caught_up(self, epochs, partitions):
        self._may_fail("note")
        self.noted.append((tuple(epochs), tuple(partitions), max(self.fence.values(), default=-1) + 1))

    def apply(self, target, parts):
        self._may_fail("apply")
        return {partition: self._apply(target, updates) for partition, updates in parts.items()}

    def _apply(self, target, updates):
        counts = {"applied": 0, "fenced": 0}
        for one in updates:
            is_new = one.offset > self.fence.get(target.epoch, -1)
            counts["applied" if is_new else "fenced"] += 1
            if is_new:
                self.fence[target.epoch] = one.offset
                self.rows.append((target.epoch, one.offset, one.row))
        return MergeCounts(**counts)

    def keep(self, epochs, positions):
        self._may_fail("keep")
        self.kept.update(dict.fromkeys(epochs, positions[0]))

    def goes_back_to(self, offset):
        """Lose everything from an offset on, position included, and break the connection."""
        self.rows = [row for row in self.rows if row[1] < offset]
        self.fence = {epoch: min(fence, offset - 1) for epoch, fence in self.fence.items()}
        self.kept = {epoch: min(kept, offset) for epoch, kept in self.kept.items()}
        self.broken = True

    def _may_fail(self, action):
        if self.broken:
            raise StoreError("the connection broke")
        if self.fail_next and self.fail_next[0][0] == action:
            raise self.fail_next.pop(0)[1]


def worker_of(log, store, batch=3):
    clock = FixedClock(2_000)
    measures = Measures("test", clock, LOG)
    return Worker(log, MergeHandler(store, clock, measures, LOG, log.lag), batch), measures, clock


def drain(worker):
    while worker.step():
        pass


def test_every_update_is_applied_once_and_the_next_position_is_kept():
    store = ForgetfulStore()
    worker, measures, _ = worker_of(MemoryLog([update(o) for o in range(7)]), store)
    drain(worker)
    assert [row[1] for row in store.rows] == list(range(7))
    assert store.kept == {"e.0": 7}
    assert measures.totals["applied"] == 7


def test_floats_are_written_with_seventeen_digits_whatever_text_spark_gave_them():
    store = ForgetfulStore()
    worker, _, _ = worker_of(
        MemoryLog([update(0, weight="1.0E10"), update(1, weight="0.1"), update(2, weight="")]), store
    )
    drain(worker)
    assert [row[2] for row in store.rows] == [["10000000000"], ["0.10000000000000001"], [""]]


def test_a_position_that_could_not_be_kept_means_the_batch_is_sent_again_and_fenced():
    store, log = ForgetfulStore(), MemoryLog([update(o) for o in range(3)])
    store.fail_next = [("keep", StoreError("away"))]
    worker, measures, _ = worker_of(log, store)
    with pytest.raises(StoreError):
        worker.step()
    drain(worker)
    assert [row[1] for row in store.rows] == [0, 1, 2]
    assert (measures.totals["applied"], measures.totals["fenced"], store.kept) == (3, 3, {"e.0": 3})


def test_a_redis_that_went_back_in_time_is_given_again_what_it_lost_before_anything_newer():
    store, log = ForgetfulStore(), MemoryLog([update(o) for o in range(6)])
    worker, _, _ = worker_of(log, store)
    drain(worker)
    store.goes_back_to(2)
    log.values += [update(o) for o in range(6, 9)]
    with pytest.raises(StoreError):
        worker.step()
    drain(worker)
    assert [row[1] for row in store.rows] == list(range(9))
    assert log.seeks == [0, 2]


def test_readers_are_told_of_a_redis_that_went_back_once_the_log_is_applied_up_to_where_it_ended_at_the_begin():
    store, log = ForgetfulStore(), MemoryLog([update(o) for o in range(6)])
    store.end = 5
    worker, _, _ = worker_of(log, store)
    worker.step()
    assert store.noted == []
    drain(worker)
    assert store.noted == [(("e.0",), (0,), 6)]
    store.goes_back_to(2)
    store.end = 6
    with pytest.raises(StoreError):
        worker.step()
    worker.step()
    assert len(store.noted) == 1
    drain(worker)
    assert store.noted[1:] == [(("e.0",), (0,), 6)]


def test_a_worker_that_could_not_note_that_it_caught_up_notes_it_when_it_begins_again():
    store, log = ForgetfulStore(), MemoryLog([update(0)])
    store.end, store.fail_next = 1, [("note", StoreError("away"))]
    worker, _, _ = worker_of(log, store)
    with pytest.raises(StoreError):
        worker.step()
    drain(worker)
    assert [note[1] for note in store.noted] == [(0,)]


def test_nothing_is_applied_while_the_epoch_is_missing_and_all_of_it_afterwards():
    store, log = ForgetfulStore(epochs=()), MemoryLog([update(0), update(1)])
    worker, _, _ = worker_of(log, store)
    assert worker.step() is None
    assert store.rows == []
    store.epochs = ["e.1"]
    drain(worker)
    assert [row[:2] for row in store.rows] == [("e.1", 0), ("e.1", 1)]


def test_an_epoch_that_disappears_stops_the_applying_until_a_new_one_is_filled_from_the_begin():
    store, log = ForgetfulStore(), MemoryLog([update(o) for o in range(4)])
    worker, _, _ = worker_of(log, store)
    drain(worker)
    log.values.append(update(4))
    store.fail_next = [("apply", EpochError("EPOCH"))]
    with pytest.raises(EpochError):
        worker.step()
    store.epochs = []
    assert worker.step() is None
    store.epochs = ["e.1"]
    drain(worker)
    assert [row[1] for row in store.rows if row[0] == "e.1"] == list(range(5))


def test_an_epoch_that_is_published_beside_the_old_one_makes_the_worker_begin_again():
    store, log = ForgetfulStore(), MemoryLog([update(0)])
    worker, _, _ = worker_of(log, store)
    drain(worker)
    store.epochs = ["e.1"]
    log.values.append(update(1))
    assert worker.step() == 0  # what was polled is thrown away
    drain(worker)
    assert [row[:2] for row in store.rows] == [("e.0", 0), ("e.1", 0), ("e.1", 1)]


def test_a_connection_that_breaks_while_nothing_comes_makes_the_worker_begin_again():
    store, log = ForgetfulStore(), MemoryLog([update(0), update(1)])
    worker, _, _ = worker_of(log, store)
    drain(worker)
    store.goes_back_to(1)
    with pytest.raises(StoreError):
        worker.step()
    drain(worker)
    assert [row[1] for row in store.rows] == [0, 1]


def test_updates_of_another_definition_are_dropped_and_counted():
    store = ForgetfulStore()
    worker, measures, _ = worker_of(MemoryLog([update(0, definition="another"), update(1), b"{}"]), store)
    drain(worker)
    assert [row[1] for row in store.rows] == [1]
    assert measures.totals == {"applied": 1, "other_definition": 1, "unreadable": 1}


def test_a_store_that_is_away_is_waited_for_until_the_worker_is_told_to_stop():
    stop, store = Event(), ForgetfulStore()

    class Log(MemoryLog):
        def poll(self, limit, wait_s):
            found = super().poll(limit, wait_s)
            if not found:
                stop.set()
            return found

    store.fail_next = [("apply", StoreError("away")), ("apply", StoreError("away"))]
    worker, _, _ = worker_of(Log([update(0)]), store)
    run_until(stop, worker, LOG)
    assert [row[1] for row in store.rows] == [0]


def test_a_lost_position_ends_the_run_instead_of_being_skipped():
    class Log(MemoryLog):
        def poll(self, limit, wait_s):
            raise PositionError("gone")

    worker, _, _ = worker_of(Log([]), ForgetfulStore())
    with pytest.raises(PositionError):
        run_until(Event(), worker, LOG)


def test_a_partition_without_a_kept_position_begins_at_the_logs_begin():
    assert start_positions("t", {0: 5}, {0: 2, 1: 3}, {0: 9, 1: 9}) == {0: 5, 1: 3}


@pytest.mark.parametrize("kept", [1, 10])
def test_a_kept_position_outside_the_log_is_refused(kept):
    with pytest.raises(PositionError, match=rf"t, partition 0: expected the kept position {kept} .* rebuild"):
        start_positions("t", {0: kept}, {0: 2}, {0: 9})


def test_a_checkpoint_is_refused_to_another_definition_and_to_another_topic_of_the_same_name(tmp_path):
    checkpoint = tmp_path / "updates"
    claim(checkpoint, "d1", {"orders": "a"})
    claim(checkpoint, "d1", {"orders": "a"})
    with pytest.raises(ConfigError, match=r"expected definition d2, found d1; .* move updates"):
        claim(checkpoint, "d2", {"orders": "a"})
    with pytest.raises(PositionError, match="expected topic orders with id a, found b"):
        claim(checkpoint, "d1", {"orders": "b"})
    with pytest.raises(ConfigError, match="expected the topics orders, found orders, refunds"):
        claim(checkpoint, "d1", {"orders": "a", "refunds": "c"})


def test_a_checkpoint_without_its_owner_is_refused(tmp_path):
    (tmp_path / "updates").mkdir()
    with pytest.raises(ConfigError, match=r"expected updates\.json beside it"):
        claim(tmp_path / "updates", "d1", {})


@pytest.mark.parametrize("text", ["realtime", "realtime 1 second", "often"])
def test_a_trigger_that_cannot_work_is_refused(text):
    with pytest.raises(ConfigError, match=r"speed\.trigger: expected"):
        parse_trigger(text)
