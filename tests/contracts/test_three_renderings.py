"""Law 1: a state's Python, its Redis script and its Spark SQL give equal bytes (floats: within 1e-9 where Spark adds)."""

import dataclasses
import random
from decimal import Decimal
from fractions import Fraction
from functools import partial, reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from lambda_core.features.windows import ALL_MS, DAY_MS, HOUR_MS
from lambda_core.schemas.messages import Update
from lambda_core.views.script import Scripts
from lambda_core.views.speed import merge_rows
from tests.contracts.conftest import new_keys
from tests.contracts.renderings import assert_same_bytes, by_python, by_script
from tests.contracts.rows import EPOCH, START_MS, batches, declared
from tests.laws.oracle import Event
from tests.laws.profiles import examples
from tests.laws.worlds import PERIOD_MS, WITH_SETTINGS, update_of

RINGS = {ring: declared(ring) for ring in (1, 3, 32)}
ONE_TILE = [(HOUR_MS, 300_000), (ALL_MS, 8_000 * DAY_MS)]
RICH = {ring: declared(ring, WITH_SETTINGS, ONE_TILE) for ring in (1, 3, 32)}
"""Aggregations with settings; one of the hops has all events in one or two tiles, so that registers fill."""


@examples(200)
@given(events=batches(), ring=st.sampled_from(sorted(RINGS)), batch=st.integers(1, 20))
def test_the_script_holds_the_very_bytes_of_the_rule(store, events, ring, batch):
    assert_the_script_is_the_rule(store, RINGS[ring], events, ring, batch)


@examples(100)
@given(events=batches(), ring=st.sampled_from(sorted(RICH)), batch=st.integers(1, 20))
def test_the_script_holds_the_very_bytes_of_the_rule_with_settings(store, events, ring, batch):
    assert_the_script_is_the_rule(store, RICH[ring], events, ring, batch)


def assert_the_script_is_the_rule(store, definition, events, ring, batch):
    import redis

    group = definition.groups["things"]
    updates = [update_of(group, event) for event in events]
    scripts = Scripts(definition, new_keys(), EPOCH)
    with redis.Redis.from_url(store.url) as client:
        counts = by_script(client, scripts, updates, batch)
        hashes, expected = by_python(group, updates, ring)
        assert_same_bytes(client, scripts, hashes)
        assert counts == expected


def many(count: int, seed: int) -> list[Event]:
    """Events that reach many tiles of every hop, with numbers of every size."""
    drawn = random.Random(seed)
    return [
        Event(
            partition=place % 2,
            offset=place,
            append_ms=START_MS // PERIOD_MS * PERIOD_MS,
            event_ms=START_MS - drawn.randrange(4_000 * 86_400_000),
            entity="e",
            values={
                "whole": drawn.choice([drawn.randrange(-9, 9), drawn.randrange(-(2**63), 2**63)]),
                "money": Decimal(drawn.randrange(-(10**9), 10**9)) / 100,
                "real": drawn.uniform(-1e6, 1e6),
                "word": str(drawn.random()),
            },
        )
        for place in range(count)
    ]


@pytest.mark.parametrize(("count", "rings"), [(500, RINGS), (2_000, RINGS), (1_000, RICH)])
def test_a_call_with_very_many_updates_is_applied_whole(client, keys, count, rings):
    definition = rings[32]
    group = definition.groups["things"]
    updates = [update_of_decimals(group, event) for event in many(count, seed=count)]
    scripts = Scripts(definition, keys, EPOCH)
    assert by_script(client, scripts, updates, batch=count) == [count, 0, 0, 0]
    assert by_script(client, scripts, updates, batch=count) == [0, count, 0, 0]
    assert_same_bytes(client, scripts, by_python(group, updates, 32)[0])


@pytest.mark.parametrize("rings", [RINGS, RICH])
@pytest.mark.parametrize("sizes", [(1, 700, 3, 400, 1), (700, 1, 400, 1), (5, 300, 90, 1)])
def test_rows_that_hold_several_events_each_merge_alike(client, keys, rings, sizes):
    definition = rings[1]
    group, events, updates = definition.groups["things"], many(sum(sizes), seed=sizes[0]), []
    for size in sizes:
        own, events = [update_of_decimals(group, event) for event in events[:size]], events[size:]
        row = reduce(partial(merge_rows, group), (update.row for update in own))
        updates.append(replace(own[-1], row=row))
    scripts = Scripts(definition, keys, EPOCH)
    assert by_script(client, scripts, updates, batch=3) == [len(sizes), 0, 0, 0]
    assert_same_bytes(client, scripts, by_python(group, updates, 1)[0])


def update_of_decimals(group, event: Event) -> Update:
    values = {**event.values, "money": Fraction(event.values["money"])}
    return update_of(group, dataclasses.replace(event, values=values))


@pytest.mark.parametrize(
    ("column", "numbers", "expected"),
    [
        ("whole", [2**63 - 1, 2**63 - 1], {"sum": str(2**64 - 2), "variance": "!"}),
        ("whole", [2**53, 1, 1], {"sum": str(2**53 + 2)}),
        ("whole", [-(2**63), 2**63 - 1, 1], {"sum": "0"}),
        ("whole", [99_999_999_999_999, 1], {"sum": "100000000000000"}),
        ("whole", [-7, 7], {"sum": "0", "min": "-7", "max": "7"}),
        ("real", [-0.0, -0.0], {"sum": "0", "min": "0", "max": "0"}),
        ("real", [0.1, 0.2], {"sum": "0.30000000000000004"}),
        ("real", [1e308, 1e308], {"sum": "!"}),
        ("real", [1e308, 1e308, -1e308], {"sum": "!", "min": "-1e+308"}),
        ("real", [1e200, -1e200], {"variance": "!"}),
    ],
)
def test_the_edges_of_numbers_are_the_same_in_both(client, keys, column, numbers, expected):
    definition = declared(1)
    group = definition.groups["things"]
    # The last event stays single; the others share their tiles.
    events = [
        Event(0, offset, START_MS, START_MS if number is not None else START_MS + 1, "e", {**blank(), column: number})
        for offset, number in enumerate([*numbers, None])
    ]
    updates = [update_of(group, event) for event in events]
    scripts = Scripts(definition, keys, EPOCH)
    by_script(client, scripts, updates, batch=1)
    hashes, _ = by_python(group, updates, 1)
    assert_same_bytes(client, scripts, hashes)
    (hash_,) = hashes.values()
    row = hash_.tiles[86_400_000, START_MS // 86_400_000 * 86_400_000]
    for aggregation, text in expected.items():
        assert part(group, row, f"{column}_{aggregation}") == text


def blank() -> dict[str, None]:
    return dict.fromkeys(("whole", "money", "real", "word"))


def part(group, row: list[str], slot: str) -> str:
    """The last component of a slot."""
    place = 0
    for each in group.slots:
        place += len(each.aggregation.components)
        if each.name == slot:
            return row[place - 1]
    raise AssertionError(slot)
