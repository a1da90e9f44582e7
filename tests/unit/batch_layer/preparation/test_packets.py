"""Rows reach their call, all of them and nobody else's, however they are cut on the way."""

from collections import defaultdict

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation import ordering, packets
from batch_layer.preparation.packets import ASKERS, EVENTS, SIDES, calls, packets_of

SCHEMAS = (
    pa.schema([("number", pa.int64()), ("text", pa.string())]),
    pa.schema([("number", pa.int64()), ("many", pa.list_(pa.float64()))]),
)
VALUES = {pa.string(): st.none() | st.text(max_size=3), pa.list_(pa.float64()): st.none() | st.lists(st.floats(0, 1))}


@st.composite
def tasks(draw, side):
    """Tables as one task has them at hand, and the calls that each of their rows goes to."""
    schema = SCHEMAS[side]
    rows = st.tuples(st.integers(-9, 9), VALUES[schema[1].type], st.lists(st.integers(-3, 3), max_size=2, unique=True))
    return draw(st.lists(st.lists(rows, max_size=6), max_size=4))


def sent(side, tables):
    """The packets of a task; rows find their calls by their place in a list, so that nothing hangs on their values."""
    wanted = iter([row for table in tables for row in table])

    def place(table):
        ways = [(row, call) for row in range(len(table)) for call in next(wanted)[2]]
        return (np.array([way[part] for way in ways], np.int64) for part in (0, 1))

    schema = SCHEMAS[side]
    given_ = [pa.Table.from_arrays(_columns(schema, table), schema=schema) for table in tables]
    return [row for batch in packets_of(given_, side, place) for row in zip(*batch.to_pydict().values(), strict=True)]


def _columns(schema, rows):
    return [pa.array([row[place] for row in rows], field.type) for place, field in enumerate(schema)]


@given(
    st.lists(tasks(EVENTS), max_size=2),
    st.lists(tasks(ASKERS), max_size=2),
    st.sampled_from([1, 4, 1 << 16]),
    st.sampled_from([1, 40, 1 << 18]),
    st.sampled_from([0, 1 << 16]),
)
def test_every_call_gets_all_rows_that_were_sent_to_it_and_no_others(events, askers, most_rows, most_bytes, uint16):
    expected = defaultdict(lambda: ([], []))
    for side, own in zip(SIDES, (events, askers), strict=True):
        for number, value, ways in (row for tables in own for table in tables for row in table):
            for call in ways:
                expected[call][side].append((number, value))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packets, "_MOST_ROWS", most_rows)
        patch.setattr(packets, "_PACKET_BYTES", most_bytes)
        patch.setattr(ordering, "_UINT16", uint16)
        found = [
            row for side, own in zip(SIDES, (events, askers), strict=True) for one in own for row in sent(side, one)
        ]
    found.sort(key=lambda row: row[:2])  # as `meeting` has them come, in batches of any size
    batches = [
        pa.RecordBatch.from_pylist([dict(zip(packets._ARROW.names, row, strict=True))], packets._ARROW) for row in found
    ]

    got = dict(zip(sorted(expected), calls(batches, SCHEMAS), strict=True))
    for call, sides in got.items():
        for side, table in zip(SIDES, sides, strict=True):
            assert table.schema == SCHEMAS[side]
            rows = [tuple(row.values()) for row in table.to_pylist()]
            assert sorted(rows, key=repr) == sorted(expected[call][side], key=repr)


def test_packets_are_no_larger_than_they_may_be_unless_a_row_is():
    small, large = pa.table({"text": ["x" * 100_000] * 8}), pa.table({"text": ["x" * 300_000] * 3})

    def held(rows):
        (batch,) = packets_of([rows], ASKERS, lambda table: (np.arange(len(table)), np.zeros(len(table), np.int64)))
        return [pa.ipc.open_stream(packet.as_buffer()).read_all() for packet in batch.column("_rows")]

    assert [len(packet) for packet in held(small)] == [2] * 4
    assert all(packet.nbytes <= packets._PACKET_BYTES for packet in held(small))
    assert [len(packet) for packet in held(large)] == [1] * 3
