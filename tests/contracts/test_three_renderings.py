"""Law 1: a state's Python, its Redis script and its Spark SQL give equal bytes (floats: within 1e-9 where Spark adds)."""

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lambda_core.schemas.messages import Update
from lambda_core.views.script import Scripts
from tests.contracts.conftest import new_keys
from tests.contracts.renderings import assert_same_bytes, by_python, by_script
from tests.contracts.rows import EPOCH, START_MS, batches, declared
from tests.laws.oracle import Event
from tests.laws.profiles import examples
from tests.laws.worlds import PERIOD_MS, update_of

RINGS = {ring: declared(ring) for ring in (1, 3, 32)}


@examples(200)
@given(events=batches(), ring=st.sampled_from(sorted(RINGS)), batch=st.integers(1, 20))
def test_the_script_holds_the_very_bytes_of_the_rule(store, events, ring, batch):
    import redis

    definition = RINGS[ring]
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


@pytest.mark.parametrize("count", [500, 2_000])
def test_a_call_with_very_many_updates_is_applied_whole(client, keys, count):
    definition = RINGS[32]
    group = definition.groups["things"]
    updates = [update_of_decimals(group, event) for event in many(count, seed=count)]
    scripts = Scripts(definition, keys, EPOCH)
    assert by_script(client, scripts, updates, batch=count) == [count, 0, 0, 0]
    assert by_script(client, scripts, updates, batch=count) == [0, count, 0, 0]
    assert_same_bytes(client, scripts, by_python(group, updates, 32)[0])


def update_of_decimals(group, event: Event) -> Update:
    from dataclasses import replace
    from fractions import Fraction

    return update_of(group, replace(event, values={**event.values, "money": Fraction(event.values["money"])}))


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
