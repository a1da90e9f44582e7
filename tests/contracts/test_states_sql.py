"""One record is one state, whether Python lifts it or Spark SQL does; and a tile is the merge of its events."""

import itertools
import math
import random

import msgspec
import pytest
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.features.aggregations import Moment
from lambda_core.features.keys import entity_key
from lambda_core.features.states_sql import tile_frame, update_columns, updates_frame
from lambda_core.features.windows import floor_to
from lambda_core.schemas.messages import Update
from lambda_core.views.speed import states_of
from tests.integration.batch_layer import shop


@pytest.fixture(scope="module")
def world(spark, tmp_path_factory):
    context = shop.context_of(spark, tmp_path_factory.mktemp("states"))
    rows = shop.orders(seed=3, count=200)
    rows[0] |= {"weight": 1e-320, "items": -(2**63), "duplicate": None, "customer": "ann"}
    rows[1] |= {"weight": 1e300, "items": 2**63 - 1, "duplicate": None, "customer": "ann"}
    rows[2] |= {"weight": 0.1 + 0.2, "event_time_ms": -7, "duplicate": None, "customer": "ann"}
    shop.write(context, rows)
    frame = context.tables.read(f"prepared_{'orders'}").withColumn("reasons", F.array().cast("array<string>"))
    return context.definition, rows, frame


def lifted(group, row):
    """The texts of the group's states of one event."""
    moment = Moment(row["event_time_ms"], row["partition"], row["offset"])
    states = []
    for slot in group.slots:
        value = shop.seen_of(slot, row)
        if slot.column == "amount" and value is not None:
            value = int(value * 100)
        states.append(slot.aggregation.update(slot.aggregation.zero(), value, moment))
    return group.encode(states)


def assert_rows_equal(group, left, right):
    """The same texts where states are exact; the same doubles, or within 1e-9 of their size, where they are not."""
    codes = [code for slot in group.slots for code in slot.aggregation.components]
    for code, a, b in zip(codes, left, right, strict=True):
        if code == "f" and a != b:
            assert math.isclose(float(a), float(b), rel_tol=1e-9, abs_tol=1e-6), (a, b)
        else:
            assert a == b


def test_a_row_of_an_update_holds_the_texts_that_python_encodes(world):
    definition, rows, frame = world
    group = definition.groups["by_customer"]
    columns = update_columns(group)
    found = {
        (one["partition"], one["offset"]): one
        for one in frame.selectExpr("partition", "offset", f"{columns.entity} as e", f"{columns.row} as row").collect()
    }

    codes = [code for slot in group.slots for code in slot.aggregation.components]
    for row in rows:
        one = found[row["partition"], row["offset"]]
        assert one["e"] == entity_key([row["customer"]])
        for code, text, expected in zip(codes, one["row"], lifted(group, row), strict=True):
            same_double = code == "f" and text and float(text) == float(expected)
            assert same_double or text == expected


def test_an_event_becomes_one_update_for_each_group_that_it_has_an_entity_for(world):
    definition, rows, frame = world
    streamed = frame.where("partition >= 0")
    found = [msgspec.convert(one.asDict(), Update) for one in updates_frame(definition, "orders", streamed).collect()]

    of_log = [row for row in rows if row["partition"] >= 0]
    counted = [row for row in of_log if row["duplicate"] is None and row["customer"] is not None]
    assert len(found) == 2 * len(counted)
    assert {(one.group, one.partition, one.offset) for one in found} == {
        (group, row["partition"], row["offset"]) for row in counted for group in definition.groups
    }
    assert {one.definition for one in found} == {definition.id}


def test_refused_records_become_no_update(world):
    definition, _, frame = world
    refused = frame.withColumn("reasons", F.array(F.lit("amount: below 0")))

    assert updates_frame(definition, "orders", refused).count() == 0


def test_a_tile_is_the_merge_of_the_events_inside_it(world):
    definition, rows, frame = world
    group = definition.groups["by_visit"]
    counted = [row for row in rows if row["duplicate"] is None and row["customer"] is not None]
    expected = {}
    for row, hop in itertools.product(random.Random(1).sample(counted, len(counted)), group.hops_ms):
        key = (entity_key([row["shop"], row["customer"]]), hop, floor_to(row["event_time_ms"], hop))
        expected.setdefault(key, []).append(row)

    found = {
        (one["entity"], one["hop_ms"], one["tile_start_ms"]): one
        for one in tile_frame(group, frame.where("duplicate is null")).collect()
    }

    assert found.keys() == expected.keys()
    for key, inside in expected.items():
        merged = group.encode(states_of(group, [lifted(group, row) for row in inside]))
        assert_rows_equal(group, found[key]["row"], merged)
        assert found[key]["last_event_ms"] == max(row["event_time_ms"] for row in inside)
