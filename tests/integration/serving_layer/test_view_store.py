"""The merged read over a real Redis: equal to the batch formula, of one generation, never without the mark."""

from __future__ import annotations

import random
import threading

import pytest

from lambda_core.errors import BehindError, EpochError, GuardError, StoreError
from lambda_core.repositories import view_store
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.store import connect
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.answering import Answerer, Question

START = 1_700_000_000_000
FAR = 10**9
"""A horizon that puts every event on the batch side."""


@pytest.mark.parametrize("seed", range(8))
def test_an_answer_from_both_views_equals_the_batch_formula_over_all_events(shop, seed):
    draw = random.Random(seed)
    events = shop.events(seed, 60, START)
    horizon = events[draw.randrange(60)].append_ms // shop.minute
    shop.publish(events, horizon)
    answerer = Answerer(shop.definition, ViewStore(shop.client, shop.keys))
    t_ms = max(event.moment.event_time_ms for event in events) + 1 + draw.randrange(10**8)

    for _ in range(2):  # the second time with cached batch values
        answer = answerer.merged(Question("checkout", t_ms, {"by_buyer": "ann", "by_all": "all"}, {"price": 9.5}))

        ann = [event for event in events if event.values["buyer"] == "ann"]
        expected = {
            "price": 9.5,
            "dear": None,
            **shop.oracle("by_buyer", ann, t_ms),
            **shop.oracle("by_all", events, t_ms),
        }
        assert answer.values == expected
        assert (answer.source, answer.generation, answer.horizon) == ("merged", "g1", horizon)
        assert list(answer.values) == shop.definition.vector_names("checkout")


def test_both_sides_of_an_answer_are_named(shop):
    events = shop.events(3, 60, START)
    shop.publish(events, events[30].append_ms // shop.minute)
    last = events[-1].append_ms

    answer = Answerer(shop.definition, ViewStore(shop.client, shop.keys)).merged(
        Question("checkout", last + 1, {"by_all": "all"})
    )

    group = answer.groups["by_all"]
    assert (group.from_batch, group.from_speed, group.edge) == (True, True, False)
    assert group.positions == {p: max(e.moment.offset for e in events if e.moment.partition == p) for p in (0, 1)}
    assert answer.groups["by_buyer"].entity is None


def test_an_entity_that_nobody_has_seen_has_the_features_of_no_event(shop):
    shop.publish([], 0)

    answer = Answerer(shop.definition, ViewStore(shop.client, shop.keys)).merged(
        Question("checkout", START, {"by_buyer": "new"})
    )

    assert answer.values == {
        "price": None,
        "dear": None,
        **shop.oracle("by_buyer", [], START),
        **shop.oracle("by_all", [], START),
    }


def test_a_redis_without_the_mark_never_answers_merged(shop):
    shop.publish([], 0)
    views = ViewStore(shop.client, shop.keys)
    views.read([("by_buyer", "ann")])
    shop.client.srem(shop.keys.mark, shop.epoch)

    with pytest.raises(EpochError, match="lacks the mark of epoch"):
        views.read([("by_buyer", "ann")])


def test_a_read_in_several_steps_asks_for_the_mark_in_each(shop, monkeypatch):
    monkeypatch.setattr(view_store, "AT_ONCE", 1)
    shop.publish([], 0)
    views, wanted = ViewStore(shop.client, shop.keys), [("by_buyer", "ann"), ("by_all", "all")]
    assert len(views.read(wanted).entities) == 2
    lost = iter([0, 1])
    monkeypatch.setattr(views, "_ask_at_once", _without_mark(views._ask_at_once, lambda: next(lost) == 0))

    with pytest.raises(EpochError, match="lacks the mark of epoch"):
        views.read(wanted)


def _without_mark(ask, is_lost):
    """Return what asks as `ask` does, and finds no mark when that is lost."""

    def asked(*given):
        found, marked, *others = ask(*given)
        return found, 0 if is_lost() else marked, *others

    return asked


def test_an_emptied_redis_never_answers(shop):
    shop.publish([], 0)
    views = ViewStore(shop.client, shop.keys)
    views.read([("by_buyer", "ann")])
    shop.client.flushdb()

    with pytest.raises(EpochError, match="expected the pointer ms:shop:pointer, found none"):
        views.read([("by_buyer", "ann")])


def test_views_of_another_definition_are_refused(shop):
    shop.publish([], 0, epoch="0123456789abcdef.0")

    with pytest.raises(EpochError, match="found 0123456789abcdef"):
        Answerer(shop.definition, ViewStore(shop.client, shop.keys)).merged(Question("checkout", START))


def test_a_time_before_what_the_view_keeps_is_refused(shop):
    shop.publish([], 0, lookback_from_ms=START)

    with pytest.raises(GuardError, match=f"expected a time from {START} on, found {START - 1}"):
        Answerer(shop.definition, ViewStore(shop.client, shop.keys)).merged(Question("checkout", START - 1))


def test_a_server_that_forgot_its_scripts_answers_all_the_same(shop):
    events = shop.events(1, 20, START)
    shop.publish(events, FAR)
    views = ViewStore(shop.client, shop.keys)
    before = views.read([("by_all", "all")])
    shop.client.script_flush()

    assert views.read([("by_all", "all")]) == before


def test_a_redis_that_was_started_again_answers_merged_once_all_partitions_have_caught_up(own_store, keys, new_shop):
    client = connect(own_store.address)
    shop, caught_up = new_shop(client), CaughtUp(client, keys)
    caught_up.begin(shop.epoch, [0, 1])
    shop.publish(shop.events(1, 20, START), FAR)
    views, wanted = ViewStore(client, keys), [("by_all", "all")]
    before = views.read(wanted)
    own_store.kill()
    own_store.start()
    own_store.wait_ready()

    for caught in ([], [1]):
        caught_up.note(shop.epoch, caught)
        caught_up.begin(shop.epoch, [0, 1])  # an epoch that goes on is no new one
        assert ["was started again" in why for why in views.refusals(before.pointer.current)] == [True]
        with pytest.raises(BehindError, match=r"was started again: .*mainstem speed status"):
            views.read(wanted)
    assert views.read_batch(wanted).entities[wanted[0]].batch is not None
    caught_up.note(shop.epoch, [0])
    client.script_flush()
    assert views.read(wanted) == before


def test_what_is_no_hash_is_an_error_and_no_answer(shop):
    shop.publish([], 0)
    shop.client.zadd(shop.keys.periods("by_all", "all", shop.epoch), {"5": 5})
    shop.client.set(shop.keys.speed("by_all", "all", shop.epoch, 5), "x")

    with pytest.raises(StoreError, match="WRONGTYPE"):
        ViewStore(shop.client, shop.keys).read([("by_all", "all")])


def test_a_flip_since_the_last_read_is_followed_whole(shop):
    events = shop.events(5, 30, START)
    shop.publish([], FAR)
    shop.load("g1", events[:10], only="all")
    shop.load("g2", events, only="all")
    views, wanted = ViewStore(shop.client, shop.keys), [("by_all", "all")]
    before = views.read([("by_buyer", "ann")])  # another entity, so that nothing of this one is known yet
    shop.flip("g2", FAR)

    after = views.read(wanted)

    assert (before.pointer.current.generation, after.pointer.current.generation) == ("g1", "g2")
    assert after == ViewStore(shop.client, shop.keys).read(wanted)


@pytest.mark.parametrize("at_once", [view_store.AT_ONCE, 2])
def test_flips_under_load_never_mix_generations(store, shop, monkeypatch, at_once):
    """Generation gN holds N events of each of five entities: any mixture shows as different counts."""
    monkeypatch.setattr(view_store, "AT_ONCE", at_once)
    group, names = shop.definition.groups["by_all"], [f"e{number}" for number in range(5)]
    events, states, expected = shop.events(5, 30, START), shop.definition.groups["by_all"].zero(), {}
    for number in range(1, 30):
        states = group.merge(states, group.decode(shop.row(group, events[number - 1])))
        expected[f"g{number}"] = group.encode(states)
        for name in names:
            shop.load(f"g{number}", events[:number], only=name)
    shop.publish([], FAR)
    stop, wrong, seen = threading.Event(), [], set()
    reads = [threading.Semaphore(0) for _ in range(3)]

    def reader(own):
        views = ViewStore(connect(store.url), shop.keys)
        while not stop.is_set():
            read = views.read([("by_all", name) for name in names])
            current = read.pointer.current.generation
            seen.add(current)
            own.release()
            rows = [one.batch.hops[86_400_000].suffix(0) for one in read.entities.values()]
            wrong.extend(row for row in rows if row != expected[current])

    threads = [threading.Thread(target=reader, args=[own]) for own in reads]
    for thread in threads:
        thread.start()
    for number in range(100):
        shop.flip(f"g{number % 29 + 1}", FAR)
        # Each reads thrice before the next flip: or one that gets no time would never see the pointer stand still.
        assert all(own.acquire(timeout=60) for own in reads * 3)
    stop.set()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(seen) > 3


def test_the_batch_side_is_known_without_redis(own_store, keys, new_shop):
    client = connect(own_store.address, retries=0)
    shop = new_shop(client)
    shop.publish(shop.events(1, 20, START), FAR)
    views = ViewStore(client, keys)
    read = views.read([("by_all", "all"), ("by_buyer", "nobody")])
    own_store.stop()

    assert views.read_batch([("by_all", "all"), ("by_buyer", "nobody")]) == read
    with pytest.raises(StoreError, match="cannot be reached"):
        views.read_batch([("by_buyer", "ann")])
    with pytest.raises(StoreError, match="cannot be reached"):
        views.read([("by_all", "all")])
