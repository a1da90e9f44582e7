"""Law 1: a state's Python, its Redis script and its Spark SQL give equal bytes (floats: within 1e-9 where Spark adds)."""

import random
import struct
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lambda_core.features.aggregations import Moment
from lambda_core.features.states_sql import tile_frame, updates_frame
from lambda_core.schemas.messages import Update
from lambda_core.views.script import MERGE, Scripts
from lambda_core.views.speed import SeenKeys, SpeedHash, merge_rows
from tests.contracts.conftest import new_keys
from tests.contracts.rows import EPOCH, START_MS, WINDOWS, batches, declared, values
from tests.laws.oracle import Event
from tests.laws.profiles import examples
from tests.laws.worlds import DUPLICATE_HORIZON_MS, PERIOD_MS, batch_value, row_of, update_of

RINGS = {ring: declared(ring) for ring in (1, 3, 32)}


def by_script(client, scripts: Scripts, updates: list[Update], batch: int) -> list[int]:
    """Apply the updates as the merge worker does: in one pipeline a batch, in the order of the log."""
    client.sadd(scripts.keys.mark, EPOCH)
    script, counts = client.register_script(MERGE), [0, 0, 0, 0]
    for first in range(0, len(updates), batch):
        with client.pipeline(transaction=False) as pipeline:
            for call in scripts.merge_calls(updates[first : first + batch]):
                script(keys=call.keys, args=call.args, client=pipeline)
            for reply in pipeline.execute():
                counts = [total + one for total, one in zip(counts, reply, strict=True)]
    return counts


def by_python(group, updates: list[Update], ring: int) -> tuple[dict[int, SpeedHash], list[int]]:
    """The same by the rule itself: one hash a period, one memory of unique keys."""
    hashes: dict[int, SpeedHash] = {}
    seen, counts = SeenKeys(DUPLICATE_HORIZON_MS), {"applied": 0, "fenced": 0, "duplicate": 0}
    for update in updates:
        hash_ = hashes.setdefault(update.append_ms // PERIOD_MS, SpeedHash())
        counts[hash_.apply(group, update, seen, ring)] += 1
    return hashes, [*counts.values(), 0]


def assert_same_bytes(client, scripts: Scripts, hashes: dict[int, SpeedHash]) -> None:
    for period, hash_ in hashes.items():
        stored = client.hgetall(scripts.keys.speed("things", "e", EPOCH, period))
        assert stored == hash_.encode()
        assert SpeedHash.decode(stored) == hash_
    periods = client.zrange(scripts.keys.periods("things", "e", EPOCH), 0, -1)
    assert [int(period) for period in periods] == sorted(hashes)


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


# --- Spark -------------------------------------------------------------------------------------------------------

PREPARED = (
    "`key` string, whole bigint, money decimal(18,2), real double, word string, event_time_ms bigint, `partition` int, "
    "`offset` bigint, append_time_ms bigint, unique_id string, duplicate string, reasons array<string>"
)


def drawn_events(count: int) -> list[Event]:
    """As many events as asked for, drawn as the other tests draw them, all in few tiles."""
    drawn: list[Event] = []

    @settings(max_examples=count, database=None)
    @given(each=values)
    def collect(each):
        place = len(drawn)
        event_ms = START_MS - (place * 7_919) % 400_000
        drawn.append(Event(place % 3, place // 3, START_MS + place, event_ms, f"e{place % 5}|", each))

    collect()
    return drawn


@pytest.fixture(scope="module")
def prepared(spark):
    """The events, and the same as one row a cleaned record."""
    events = drawn_events(300)
    rows = [
        (
            event.entity,
            event.values["whole"],
            None if event.values["money"] is None else Decimal(int(event.values["money"] * 100)) / 100,
            event.values["real"],
            event.values["word"],
            event.event_ms,
            event.partition,
            event.offset,
            event.append_ms,
            f"u{event.offset}",
            None,
            [],
        )
        for event in events
    ]
    return events, spark.createDataFrame(rows, PREPARED).repartition(3).cache()


def components(group) -> list[str]:
    return [code for slot in group.slots for code in slot.aggregation.components]


@pytest.mark.spark
def test_spark_lifts_an_event_to_the_very_row_of_the_rule(prepared):
    definition = declared()
    group, (events, frame) = definition.groups["things"], prepared
    made = {(row.partition, row.offset): row for row in updates_frame(definition, "things", frame).collect()}
    assert len(made) == len(events)
    for event in events:
        row, expected = made[event.partition, event.offset], row_of(group, event)
        same = [
            double(mine) == double(theirs) if code == "f" and mine and theirs else mine == theirs
            for code, mine, theirs in zip(components(group), row.row, expected, strict=True)
        ]
        assert all(same), (row.row, expected)
        assert (row.append_ms, row.event_ms, row.unique) == (event.append_ms, event.event_ms, f"u{event.offset}")
        assert (row.definition, row.group, row.entity) == (definition.id, "things", event.entity.replace("|", "%7C"))


def double(text: str) -> bytes:
    """The bits of a double, however its text is written; -0 is not 0."""
    return struct.pack("<d", float(text))


@pytest.mark.spark
def test_spark_adds_up_tiles_to_the_bytes_of_the_rule(prepared):
    group, (events, frame) = declared().groups["things"], prepared
    expected: dict[tuple[str, int, int], list[str]] = {}
    sizes: dict[tuple[str, int, int], float] = {}
    for event in events:
        for hop in group.hops_ms:
            tile = (event.entity.replace("|", "%7C"), hop, event.event_ms // hop * hop)
            row = row_of(group, event)
            expected[tile] = merge_rows(group, expected[tile], row) if tile in expected else row
            size = abs(event.values["real"] or 0.0)
            sizes[tile] = sizes.get(tile, 0.0) + size + size**2
    made = {(row.entity, row.hop_ms, row.tile_start_ms): row for row in tile_frame(group, frame).collect()}
    assert made.keys() == expected.keys()
    for tile, row in expected.items():
        for code, mine, theirs in zip(components(group), row, made[tile].row, strict=True):
            if code == "f" and mine and theirs:
                assert abs(float(mine) - float(theirs)) <= 1e-9 * sizes[tile]
            else:
                assert mine == theirs
        last_ms = max(event.event_ms for event in events if event.entity.replace("|", "%7C") == tile[0])
        assert made[tile].last_event_ms <= last_ms


@pytest.mark.spark
def test_an_update_from_spark_is_applied_by_the_script_as_by_the_rule(client, keys, prepared):
    definition = declared(3)
    group = definition.groups["things"]
    rows = updates_frame(definition, "things", prepared[1]).where("entity = 'e0%7C'").orderBy("partition", "offset")
    updates = [Update(**{**row.asDict(), "entity": "e", "row": list(row.row)}) for row in rows.collect()]
    scripts = Scripts(definition, keys, EPOCH)
    by_script(client, scripts, updates, batch=7)
    for period, hash_ in by_python(group, updates, 3)[0].items():
        stored = SpeedHash.decode(client.hgetall(scripts.keys.speed("things", "e", EPOCH, period)))
        assert (stored.fence, stored.folded_ms, stored.places) == (hash_.fence, hash_.folded_ms, hash_.places)
        # Extremes keep the text they came with: Spark writes a double in another way than Python does.
        assert [group.decode(row) for _, row in stored.singles] == [group.decode(row) for _, row in hash_.singles]
        assert {tile: group.decode(row) for tile, row in stored.tiles.items()} == {
            tile: group.decode(row) for tile, row in hash_.tiles.items()
        }


def test_a_batch_value_holds_the_merge_of_all_later_tiles():
    group = declared().groups["things"]
    events = drawn_events(60)
    value = batch_value(group, events)
    assert value is not None
    for _, hop in WINDOWS:
        tiles = value.hops[hop]
        for place, start in enumerate(tiles.starts):
            rows = [row for _, row in tiles.between(start, START_MS * 2)]
            suffix = rows[-1]
            for row in reversed(rows[:-1]):
                suffix = merge_rows(group, row, suffix)
            assert tiles.suffix(start) == suffix
            assert tiles.suffix(start - 1) == suffix if place == 0 else True
        assert tiles.suffix(START_MS * 2) is None
    assert Moment(1, 2, 3) < Moment(1, 2, 4) < Moment(1, 3, 0) < Moment(2, 0, 0)
