"""What the scripts refuse, drop, read and let go of, on a real Redis."""

from dataclasses import replace
from itertools import pairwise

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from lambda_core.clock import FixedClock
from lambda_core.features.windows import DAY_MS
from lambda_core.views.packing import pack
from lambda_core.views.pointer import Published
from lambda_core.views.reading import read_group
from lambda_core.views.script import CAUGHT_UP, LATE, MERGE, READ, RELEASE, ScriptCall, Scripts, seen_fields
from lambda_core.views.speed import SpeedHash
from tests.contracts.conftest import new_keys
from tests.laws.oracle import Event
from tests.laws.profiles import examples
from tests.laws.worlds import DUPLICATE_HORIZON_MS, PERIOD_MS, definition, update_of
from tests.simulation.store import Rules, Server

EPOCH = "d.0"
DEFINITION = definition(ring=2)
GROUP = DEFINITION.groups["things"]
NONE = dict.fromkeys(("whole", "money", "real", "word"))


def run(client: redis.Redis, script: str, call: ScriptCall):
    return client.register_script(script)(keys=call.keys, args=call.args)


def apply(client: redis.Redis, scripts: Scripts, *events: Event) -> list[list[int]]:
    return [run(client, MERGE, call) for call in scripts.merge_calls(update_of(GROUP, event) for event in events)]


def event(offset: int, append: int = 0, unique: str | None = None, partition: int = 0) -> Event:
    return Event(partition, offset, append, append, "e", {**NONE, "whole": offset}, unique)


@pytest.fixture
def scripts(client, keys) -> Scripts:
    client.sadd(keys.mark, EPOCH)
    return Scripts(DEFINITION, keys, EPOCH)


def fields(client: redis.Redis, scripts: Scripts, period: int) -> dict[bytes, bytes]:
    return client.hgetall(scripts.keys.speed("things", "e", EPOCH, period))


def test_a_redis_without_the_epochs_mark_is_never_written(client, keys):
    scripts = Scripts(DEFINITION, keys, EPOCH)
    client.sadd(keys.mark, "d.1", "c.0")
    with pytest.raises(redis.ResponseError, match=r"^EPOCH .* d\.0"):
        apply(client, scripts, event(1))
    assert client.keys(f"*{keys.project}:{{*") == []


def test_what_came_before_is_dropped_and_changes_nothing(client, scripts):
    assert apply(client, scripts, event(5), event(7)) == [[2, 0, 0, 0]]
    before = fields(client, scripts, 0)
    assert apply(client, scripts, event(7), event(5), event(6)) == [[0, 3, 0, 0]]
    assert fields(client, scripts, 0) == before
    assert apply(client, scripts, event(6, partition=1), event(8)) == [[2, 0, 0, 0]]


def test_a_script_that_fails_writes_neither_states_nor_fence(client, scripts):
    apply(client, scripts, event(1), event(2), event(3))
    before = fields(client, scripts, 0)
    (call,) = scripts.merge_calls(update_of(GROUP, event(offset)) for offset in (4, 5, 6))
    # The first row is no row: that shows only when the third update displaces it.
    broken = [*call.args[:-3], b"\x91\xa1x", *call.args[-2:]]
    with pytest.raises(redis.ResponseError):
        run(client, MERGE, ScriptCall(call.keys, broken))
    assert fields(client, scripts, 0) == before
    assert run(client, MERGE, call) == [3, 0, 0, 0]


@pytest.mark.parametrize(
    ("appends", "counts"),
    [
        ([0, DUPLICATE_HORIZON_MS], [1, 0, 1, 0]),
        ([0, DUPLICATE_HORIZON_MS + 1], [2, 0, 0, 0]),
        ([0, DUPLICATE_HORIZON_MS, DUPLICATE_HORIZON_MS + 1], [2, 0, 1, 0]),  # measured from the copy kept last
        ([5 * PERIOD_MS, 0], [1, 0, 1, 0]),  # the log's clock stepped back: still the later copy
    ],
)
def test_a_later_copy_within_the_horizon_is_dropped_in_whatever_period_it_lies(client, scripts, appends, counts):
    replies = apply(client, scripts, *(event(offset, append, "a") for offset, append in enumerate(appends)))
    assert [sum(column) for column in zip(*replies, strict=True)] == counts


def test_copies_are_told_by_their_key_and_their_partition(client, scripts):
    replies = apply(client, scripts, event(1, 0, "a"), event(2, 0, "b"), event(2, 0, "a", partition=1), event(3))
    assert replies == [[4, 0, 0, 0]]


def test_a_copy_is_no_copy_of_itself_when_redis_lost_the_hash_but_not_the_unique_keys(client, scripts):
    apply(client, scripts, event(1, 0, "a"))
    client.delete(scripts.keys.speed("things", "e", EPOCH, 0))
    assert apply(client, scripts, event(1, 0, "a"), event(2, 0, "a")) == [[1, 0, 1, 0]]


def test_what_both_views_hold_is_dropped_counted_and_still_known_as_a_copy(client, scripts):
    later = Scripts(DEFINITION, scripts.keys, EPOCH, first_period=1)
    assert apply(client, later, event(1, 5, "a")) == [[0, 0, 0, 1]]
    assert fields(client, scripts, 0) == {}
    assert apply(client, later, event(2, PERIOD_MS, "a"), event(3, PERIOD_MS, "b")) == [[1, 0, 1, 0]]


def test_a_rebuild_knows_the_copies_that_the_batch_side_kept(client, scripts):
    later = Scripts(DEFINITION, scripts.keys, EPOCH, first_period=1)
    kept = [update_of(GROUP, event(1, 5, "a")), update_of(GROUP, event(2, 6))]
    assert later.kept_since_ms("things") == PERIOD_MS - DUPLICATE_HORIZON_MS - DAY_MS
    client.hset(scripts.keys.seen("things", "e", EPOCH), mapping=seen_fields(kept))
    assert apply(client, later, event(1, 5, "a"), event(3, PERIOD_MS, "a")) == [[0, 0, 0, 1], [0, 0, 1, 0]]


def test_an_entitys_updates_are_sent_in_the_order_of_the_log_across_periods():
    scripts = Scripts(DEFINITION, new_keys(), EPOCH)
    appends = [0, 5, PERIOD_MS, 3, 4, PERIOD_MS]
    updates = [update_of(GROUP, event(place, append)) for place, append in enumerate(appends)]
    calls = scripts.merge_calls(updates)
    assert [(call.args[1], call.updates) for call in calls] == [(0, 2), (1, 1), (0, 2), (1, 1)]


def read(client: redis.Redis, scripts: Scripts, horizon: int, generation: str = "g1"):
    return run(client, READ, scripts.read_call("things", "e", generation, horizon))


def test_a_read_brings_the_generations_value_and_the_periods_from_the_horizon_on(client, scripts):
    apply(client, scripts, event(1, 0), event(2, PERIOD_MS), event(3, 11 * PERIOD_MS), event(4, 2 * PERIOD_MS))
    client.set(scripts.keys.batch("things", "e", "g1"), pack(GROUP, 0, {}))
    value, late, *periods = read(client, scripts, 1)
    assert (value, late) == (pack(GROUP, 0, {}), [])
    assert [int(period) for period, _ in periods] == [1, 2, 11]
    for (period, flat), offset in zip(periods, (2, 4, 3), strict=True):
        hash_ = SpeedHash.decode(dict(zip(flat[::2], flat[1::2], strict=True)))
        assert hash_.fence == {0: offset}
        assert hash_.encode() == fields(client, scripts, int(period))
    assert read(client, scripts, 12, "g2") == [None, []]


def test_a_period_let_go_leaves_the_index_only_once_its_hash_is_gone(client, scripts):
    keys = scripts.keys
    apply(client, scripts, event(1, 0, "a"), event(2, PERIOD_MS, "b"), event(3, 2 * PERIOD_MS))
    later = Scripts(DEFINITION, keys, EPOCH, first_period=2)
    assert run(client, RELEASE, later.release_call("things", "e", seconds=60)) == [2, 0]
    assert [client.ttl(keys.speed("things", "e", EPOCH, period)) > 0 for period in range(3)] == [True, True, False]
    assert client.zcard(keys.periods("things", "e", EPOCH)) == 3
    client.delete(keys.speed("things", "e", EPOCH, 0))
    assert run(client, RELEASE, later.release_call("things", "e", seconds=60)) == [0, 0]
    assert client.zrange(keys.periods("things", "e", EPOCH), 0, -1) == [b"1", b"2"]
    assert client.hlen(keys.seen("things", "e", EPOCH)) == 2


def closed(horizon: int, reached: int) -> Published:
    """A view that closed the periods before its horizon when its tables had reached this offset of partition 0."""
    return Published("g1", horizon, EPOCH, {}, 0, {"things": {0: reached}})


def test_a_record_that_appears_in_a_closed_period_is_noted_once_and_a_reader_of_the_view_sees_it(client, scripts):
    view = closed(horizon=2, reached=3)
    of_view = replace(scripts, views=(view,))
    assert apply(client, of_view, event(2, 0), event(3, 2 * PERIOD_MS)) == [[1, 0, 0, 0], [1, 0, 0, 0]]
    assert read(client, of_view, 2)[1] == []  # the view reached the one, and did not close the period of the other

    assert apply(client, of_view, event(6, PERIOD_MS), event(5, PERIOD_MS), event(7, PERIOD_MS, "a")) == [[2, 1, 0, 0]]
    assert apply(client, of_view, event(8, 0, "a")) == [[0, 0, 1, 0]]  # no copy of a late record is late
    assert read(client, of_view, 2)[1] == [b"0:1", b"7"]
    assert view.misses("things", 0, 7, 1)
    assert not closed(horizon=2, reached=8).misses("things", 0, 7, 1)


def test_a_late_record_of_a_period_that_both_views_hold_is_dropped_and_noted(client, scripts):
    of_view = replace(scripts, first_period=2, views=(closed(horizon=2, reached=3),))
    assert apply(client, of_view, event(4, 0), event(9, 0), event(5, 0), event(2, 0)) == [[0, 0, 0, 4]]
    assert read(client, of_view, 2)[1] == [b"0:0", b"9"]
    assert apply(client, of_view, event(4, 0)) == [[0, 0, 0, 1]]
    assert read(client, of_view, 2)[1] == [b"0:0", b"9"]


def test_late_records_are_noted_for_a_view_that_is_about_to_close_without_them(client, scripts):
    found = [update_of(GROUP, one) for one in (event(4, 0), event(9, 0), event(7, PERIOD_MS))]
    (call,) = scripts.late_calls(found)
    assert run(client, LATE, call) == 2
    assert run(client, LATE, scripts.late_calls(found[:1])[0]) == 0
    assert read(client, scripts, 2)[1] == [b"0:0", b"9", b"0:1", b"7"]


def test_a_late_record_is_let_go_once_both_views_hold_it(client, scripts):
    of_view = replace(scripts, views=(closed(horizon=1, reached=3), closed(horizon=2, reached=5)))
    run(client, LATE, scripts.late_calls([update_of(GROUP, one) for one in (event(2, 0), event(4, 0, partition=1))])[0])
    run(client, LATE, scripts.late_calls([update_of(GROUP, event(3, PERIOD_MS))])[0])
    run(client, RELEASE, of_view.release_call("things", "e", seconds=60))
    assert read(client, scripts, 2)[1] == [b"1:0", b"4", b"0:1", b"3"]


def test_unique_keys_are_forgotten_once_no_copy_can_meet_them(client, scripts):
    far = (DUPLICATE_HORIZON_MS + DAY_MS) // PERIOD_MS + 1
    apply(client, scripts, event(1, 0, "old"), event(2, 2 * PERIOD_MS, "new"))
    later = Scripts(DEFINITION, scripts.keys, EPOCH, first_period=far)
    assert run(client, RELEASE, later.release_call("things", "e", seconds=60)) == [2, 1]
    assert client.hkeys(scripts.keys.seen("things", "e", EPOCH)) == [b"0:new"]


@examples(25)
@given(
    appends=st.lists(st.integers(0, 5 * PERIOD_MS), min_size=1, max_size=12),
    orders=st.lists(st.integers(0, 11), max_size=20),
    t_ms=st.integers(0, 6 * PERIOD_MS),
)
def test_two_workers_that_replay_as_they_like_leave_what_one_pass_leaves(store, appends, orders, t_ms):
    once, twice = Scripts(DEFINITION, new_keys(), EPOCH), Scripts(DEFINITION, new_keys(), EPOCH)
    log = [event(offset, append, "ab"[offset % 2]) for offset, append in enumerate(appends)]
    with redis.Redis.from_url(store.url) as client:
        for scripts in (once, twice):
            client.sadd(scripts.keys.mark, EPOCH)
        apply(client, once, *log)
        # Every worker starts anywhere in what was delivered, and goes on in order: `orders` are where they start.
        reached = 0
        for start in [*orders, 0]:
            first = min(start, reached)
            reached = max(reached, min(len(log), first + 4))
            apply(client, twice, *log[first : first + 4])
        apply(client, twice, *log)
        answers = []
        for scripts in (once, twice):
            _, _, *periods = read(client, scripts, 0)
            hashes = [SpeedHash.decode(dict(zip(flat[::2], flat[1::2], strict=True))) for _, flat in periods]
            answers.append((hashes, read_group(GROUP, "e", None, hashes, t_ms)))
        assert answers[0] == answers[1]
        assert all(first < second for first, second in pairwise(int(period) for period, _ in periods))


@given(steps=st.lists(st.tuples(st.sampled_from(["begin", "note", "ask"]), st.sets(st.integers(0, 2)), st.booleans())))
@examples(30)
def test_what_is_noted_of_a_process_is_what_the_simulated_redis_notes(store, steps):
    client, keys = redis.Redis.from_url(store.url), new_keys()
    key, script = keys.caught_up(EPOCH), client.register_script(CAUGHT_UP)
    server = Server(FixedClock(0), DEFINITION, Rules())
    process = client.info("server")["run_id"].encode()
    for what, partitions, is_restarted in steps:
        named = sorted(partitions) if what != "ask" else []
        if is_restarted:  # all that was noted is another process's
            server.restart(0)
            for partition in client.hkeys(key):
                client.hset(key, partition, "before")
        assert script(keys=[key], args=[what, *named]) == server.caught_up(key, what, *named)
        noted = server.get(key) or {}
        assert {int(one) for one, run in client.hgetall(key).items() if run == process} == {
            one for one, run in noted.items() if run == f"run{server.run}"
        }
    client.close()
