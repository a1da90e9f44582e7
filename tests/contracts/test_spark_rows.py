"""Law 1, Spark's part: its SQL lifts an event and adds up tiles to the rows of the rule in Python."""

import struct
from base64 import b64encode
from decimal import Decimal

import msgspec
import pytest
from hypothesis import given, settings

from lambda_core.features.aggregations import Moment
from lambda_core.features.keys import entity_key_sql
from lambda_core.features.states_sql import tile_frame, update_json, update_struct, updates_frame
from lambda_core.schemas.messages import Update
from lambda_core.views.script import Scripts
from lambda_core.views.speed import SpeedHash, merge_rows
from tests.contracts.renderings import by_python, by_script
from tests.contracts.rows import EPOCH, START_MS, WINDOWS, declared, values
from tests.laws.oracle import Event
from tests.laws.worlds import PLAIN, WITH_SETTINGS, batch_value, row_of

KINDS = [pytest.param(PLAIN, id="plain"), pytest.param(WITH_SETTINGS, id="with settings")]

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


@pytest.mark.parametrize("blocks", KINDS)
def test_spark_lifts_an_event_to_the_very_row_of_the_rule(prepared, blocks):
    definition = declared(blocks=blocks)
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


NASTY = ["plain", "", '"', "\\", "\x00\x1f\x7f", "ä€😀", "%|{}:", '\\"\n']
"""Texts that JSON escapes, or a key."""


@pytest.mark.parametrize("blocks", KINDS)
def test_an_update_made_of_texts_is_the_json_of_its_struct(prepared, blocks):
    definition = declared(blocks=blocks)
    group, frame = definition.groups["things"], prepared[1]
    texts = ", ".join(f"unbase64('{b64encode(text.encode()).decode()}')" for text in NASTY)
    nasty = frame.selectExpr(
        "* except (word, `key`, unique_id)",
        f"explode(array({texts})) as _text",
    ).selectExpr("*", *("cast(_text as string) as word", "cast(_text as string) as `key`"))
    nasty = nasty.selectExpr("*", "case when `offset` % 2 = 0 then word end as unique_id")
    keyed = nasty.limit(400).selectExpr("*", f"{entity_key_sql(group.key_columns)} as _entity")
    struct, json = update_struct(definition, group), update_json(definition, group, "_entity")
    rows = keyed.selectExpr(f"to_json({struct}) as by_spark", f"{json} as by_texts").collect()
    assert len(rows) == 400
    for row in rows:
        assert msgspec.json.decode(row.by_texts.encode(), type=Update) == msgspec.json.decode(
            row.by_spark.encode(), type=Update
        )


def double(text: str) -> bytes:
    """The bits of a double, however its text is written; -0 is not 0."""
    return struct.pack("<d", float(text))


@pytest.mark.parametrize("blocks", KINDS)
def test_spark_adds_up_tiles_to_the_bytes_of_the_rule(prepared, blocks):
    group, (events, frame) = declared(blocks=blocks).groups["things"], prepared
    expected: dict[tuple[str, int, int], list[str]] = {}
    sizes: dict[tuple[tuple[str, int, int], str], float] = {}
    for event in events:
        for hop in group.hops_ms:
            tile = (event.entity.replace("|", "%7C"), hop, event.event_ms // hop * hop)
            row = row_of(group, event)
            expected[tile] = merge_rows(group, expected[tile], row) if tile in expected else row
            for column in ("real", "money"):
                size = abs(float(event.values[column] or 0))
                sizes[tile, column] = sizes.get((tile, column), 0.0) + size + size**2
    made = {(row.entity, row.hop_ms, row.tile_start_ms): row for row in tile_frame(group, frame).collect()}
    assert made.keys() == expected.keys()
    for tile, row in expected.items():
        columns = [slot.column for slot in group.slots for _ in slot.aggregation.components]
        for code, column, mine, theirs in zip(components(group), columns, row, made[tile].row, strict=True):
            if code == "f" and mine and theirs:
                assert abs(float(mine) - float(theirs)) <= 1e-9 * sizes[tile, column]
            else:
                assert mine == theirs
        last_ms = max(event.event_ms for event in events if event.entity.replace("|", "%7C") == tile[0])
        assert made[tile].last_event_ms <= last_ms


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
