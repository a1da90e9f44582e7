"""Updates on their way into Redis: once each, by the epoch, whatever the server forgot."""

from __future__ import annotations

import random

import pytest
import redis

from lambda_core.errors import EpochError, StoreError
from lambda_core.features.aggregations import Moment
from lambda_core.repositories.merge_store import MergeCounts, MergeStore
from lambda_core.repositories.store import connect
from lambda_core.schemas.messages import Update
from lambda_core.views.speed import SeenKeys, SpeedHash

EPOCH = "d.0"


def updates(definition, number: int, uniques: str = "") -> list[Update]:
    draw = random.Random(7)
    group = definition.groups["by_all"]
    made = []
    for offset in range(number):
        moment = Moment(draw.randrange(10**6, 10**7), 0, offset)
        states = [slot.aggregation.lift("x" if slot.column == "buyer" else 3, moment) for slot in group.slots]
        key = draw.choice(uniques) if uniques else None
        made.append(
            Update("d", "by_all", "e", 0, offset, 20_000 * offset, moment.event_time_ms, group.encode(states), key)
        )
    return made


def test_what_redis_holds_is_what_the_python_rule_gives(client, keys, definition):
    client.sadd(keys.mark, EPOCH)
    sent = updates(definition, 40, uniques="abc")
    expected: dict[int, SpeedHash] = {}
    seen, counts = SeenKeys(120_000), []
    for update in sent:
        hash_ = expected.setdefault(update.append_ms // 60_000, SpeedHash())
        counts.append(hash_.apply(definition.groups["by_all"], update, seen, 4))

    found = MergeStore(client, keys, definition).apply(EPOCH, sent)

    assert found == MergeCounts(counts.count("applied"), 0, counts.count("duplicate"))
    assert found.duplicates > 0
    for period, hash_ in expected.items():
        assert client.hgetall(keys.speed("by_all", "e", EPOCH, period)) == hash_.encode()


def test_what_is_sent_twice_counts_once(client, keys, definition):
    client.sadd(keys.mark, EPOCH)
    store, sent = MergeStore(client, keys, definition), updates(definition, 20)

    store.apply(EPOCH, sent)

    assert store.apply(EPOCH, sent) == MergeCounts(fenced=20)


def test_what_both_batch_views_hold_is_dropped_and_counted(client, keys, definition):
    client.sadd(keys.mark, EPOCH)

    found = MergeStore(client, keys, definition).apply(EPOCH, updates(definition, 20), first_period=2)

    assert found == MergeCounts(applied=14, dropped=6)


def test_a_server_that_forgot_its_scripts_is_given_them_again(client, keys, definition):
    client.sadd(keys.mark, EPOCH)
    store = MergeStore(client, keys, definition)
    client.script_flush()

    assert store.apply(EPOCH, updates(definition, 20)) == MergeCounts(applied=20)


def test_nothing_is_applied_without_the_mark_of_the_epoch(client, keys, definition):
    store = MergeStore(client, keys, definition)

    with pytest.raises(EpochError, match=r"does not hold epoch d\.0"):
        store.apply(EPOCH, updates(definition, 3))
    assert client.keys("*") == []


def test_any_reply_that_is_an_error_is_raised(client, keys, definition):
    client.sadd(keys.mark, EPOCH)
    sent = updates(definition, 9)
    client.set(keys.speed("by_all", "e", EPOCH, sent[4].append_ms // 60_000), "no hash")

    with pytest.raises(StoreError, match=r"refused: .*WRONGTYPE"):
        MergeStore(client, keys, definition).apply(EPOCH, sent)


def test_what_follows_a_refused_call_of_the_same_entity_is_not_applied(client, keys, definition):
    client.sadd(keys.mark, EPOCH)
    client.set(keys.speed("by_all", "e", EPOCH, 1), "no hash")
    store, sent = MergeStore(client, keys, definition), updates(definition, 9)

    with pytest.raises(StoreError, match="WRONGTYPE"):
        store.apply(EPOCH, sent)

    assert [client.exists(keys.speed("by_all", "e", EPOCH, period)) for period in range(3)] == [1, 1, 0]
    client.delete(keys.speed("by_all", "e", EPOCH, 1))
    assert store.apply(EPOCH, sent) == MergeCounts(applied=6, fenced=3)


def test_a_server_that_is_away_is_named_without_its_password():
    with pytest.raises(StoreError) as raised:
        connect("redis://user:secret@127.0.0.1:1/3")

    assert "127.0.0.1:1/3 cannot be reached" in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_server_that_may_evict_is_refused(client: redis.Redis, store):
    client.config_set("maxmemory-policy", "allkeys-lru")
    try:
        with pytest.raises(StoreError, match="expected maxmemory-policy noeviction, found allkeys-lru"):
            connect(store.url)
    finally:
        client.config_set("maxmemory-policy", "noeviction")
