"""What is no update of ours is told apart from what is, before it could stop the updates behind it."""

import json

import msgspec
import pytest
import structlog

from lambda_core.clock import FixedClock
from lambda_core.config.project import Project
from lambda_core.features.aggregations import Moment
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.merge_store import MergeCounts
from lambda_core.schemas.messages import Update
from speed_layer.merging.handling import MergeHandler, Target
from speed_layer.merging.reading import UnreadableError, UpdateReader
from speed_layer.monitoring import Measures
from speed_layer.worker import Record

SHOP = compile_definition(
    Project.model_validate(
        {
            "project": "shop",
            "sources": {
                "orders": {
                    "topic": "orders",
                    "columns": {
                        "customer": {"type": "string"},
                        "pieces": {"type": "integer"},
                        "weight": {"type": "float"},
                        "word": {"type": "string"},
                    },
                    "derive": {"at": {"type": "timestamp", "expression": "now()"}},
                    "event_time": "at",
                }
            },
            "entities": {"customer": {"keys": ["customer"]}},
            "feature_groups": {
                "orders": {
                    "source": "orders",
                    "entity": "customer",
                    "features": [
                        {"column": "pieces", "aggregations": ["sum"], "windows": ["1h"]},
                        {"column": "weight", "aggregations": ["sum"], "windows": ["1h"]},
                        {"column": "word", "aggregations": ["latest"], "windows": ["1h"]},
                    ],
                }
            },
        }
    )
)
READER = UpdateReader([SHOP])
GOOD = {
    "definition": SHOP.id, "group": "orders", "entity": "c", "partition": 0, "offset": 4, "append_ms": 1_000,
    "event_ms": 900, "row": ["7", "0.5", "900", "0", "4", "a|%!"],
}  # fmt: skip


def said(**changes):
    return json.dumps({**GOOD, **changes}).encode()


def row(place, text):
    return {"row": [*GOOD["row"][:place], text, *GOOD["row"][place + 1 :]]}


def test_an_update_is_read_as_it_is():
    assert READER.read(said()) == Update(**GOOD)


@pytest.mark.parametrize(
    "changes", [{"definition": "another"}, {"definition": "another", "group": "unknown", "row": []}]
)
def test_an_update_of_another_definition_is_none_of_its_business(changes):
    assert READER.read(said(**changes)) is None


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b'"text"',
        b"{}",
        said()[:-1],
        said() + b"x",
        said().replace(b'"orders"', b'"ord\xffers"'),
        said(offset=-1),
        said(offset=2**53 + 1),
        said(offset=1.5),
        said(partition=2**31),
        said(partition="0"),
        said(append_ms=2**60),
        said(event_ms=None),
        said(event_ms="now"),
        said(entity=None),
        said(row="7"),
        said(row=[7, 0.5, 900, 0, 4, "a"]),
        said(group="unknown"),
        said(row=GOOD["row"][:-1]),
        said(row=[*GOOD["row"], "1"]),
        said(**row(0, "seven")),
        said(**row(0, "7.5")),
        said(**row(0, "1e3")),
        said(**row(0, " 7")),
        said(**row(0, "\u0667")),
        said(**row(0, "9" * 39)),
        said(**row(1, "NaN")),
        said(**row(1, "Infinity")),
        said(**row(1, "-inf")),
        said(**row(1, "1e999")),
        said(**row(1, "half")),
        said(**row(2, "-")),
    ],
)
def test_what_no_query_of_ours_could_have_said_is_refused(value):
    with pytest.raises(UnreadableError):
        READER.read(value)


@pytest.mark.parametrize(
    ("place", "text", "kept"),
    [
        (0, "", ""),
        (0, "!", "!"),
        (0, "-5", "-5"),
        (0, "9" * 38, "9" * 38),
        (1, "", ""),
        (1, "!", "!"),
        (1, "1.0E10", "10000000000"),
        (1, "-0.0", "0"),
        (5, "NaN", "NaN"),
    ],
)
def test_states_of_no_event_overflows_and_signs_are_as_they_were(place, text, kept):
    assert READER.read(said(**row(place, text))).row[place] == kept


def test_every_state_that_an_event_can_have_is_read():
    values = {
        "pieces": [None, -(2**63), 2**63 - 1, 0],
        "weight": [None, 1e308, -1e-308, 0.1],
        "word": [None, "", "ä\n"],
    }
    group = SHOP.groups["orders"]
    for place in range(4):
        chosen = {name: texts[place % len(texts)] for name, texts in values.items()}
        states = [
            None if chosen[slot.column] is None else slot.aggregation.lift(chosen[slot.column], Moment(900, 0, 4))
            for slot in group.slots
        ]
        encoded = group.encode(states)
        assert READER.read(said(row=encoded)).row == encoded


class Kept:
    """A store that keeps what it is given."""

    def __init__(self):
        self.applied = []

    def open(self):
        pass

    def targets(self):
        return (Target(SHOP, "e.0", 0),)

    def positions(self, epochs):
        return {0: 0, 1: 0}

    def ends(self):
        return {}

    def apply(self, target, parts):
        self.applied += [(partition, one.offset) for partition, updates in parts.items() for one in updates]
        return {partition: MergeCounts(applied=len(updates)) for partition, updates in parts.items()}

    def keep(self, epochs, positions):
        pass


def test_what_is_unreadable_is_counted_a_partition_told_once_a_batch_and_stops_nothing():
    clock, store, log = FixedClock(2_000), Kept(), structlog.get_logger()
    measures = Measures("merge", clock, log)
    handler = MergeHandler(store, clock, measures, log, lambda _: 0)
    handler.begin()
    records = [
        Record(0, 0, said(offset=0)),
        Record(0, 1, b"{"),
        Record(1, 0, said(offset=1, definition="another")),
        Record(0, 2, said(**row(0, "x"))),
        Record(1, 1, said(offset=2)),
    ]
    with structlog.testing.capture_logs() as told:
        handler.process(records)
        handler.keep({0: 3, 1: 2})
    assert store.applied == [(0, 0), (1, 2)]
    own = measures.by_partition()
    assert {partition: dict(one.outcomes) for partition, one in own.items()} == {
        0: {"applied": 1, "unreadable": 2},
        1: {"applied": 1, "other_definition": 1},
    }
    assert [(line["event"], line["number"]) for line in told] == [("no updates of ours", 2)]
    assert told[0]["first"].startswith("partition 0, offset 1: ")


def test_a_batch_of_nothing_but_poison_moves_the_position_and_writes_nothing():
    clock, store = FixedClock(2_000), Kept()
    measures = Measures("merge", clock, structlog.get_logger())
    handler = MergeHandler(store, clock, measures, structlog.get_logger(), lambda _: 0)
    handler.begin()
    handler.process([Record(0, 5, msgspec.json.encode([1]))])
    handler.keep({0: 6})
    assert (store.applied, measures.by_partition()[0].position) == ([], 6)
