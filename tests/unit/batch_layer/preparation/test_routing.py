"""Whoever asks meets every event that a window may see, and Spark is told of each twice at most."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation import routing
from batch_layer.preparation.routing import parts_of, place_of_askers, place_of_events, reach_ms
from lambda_core.features.windows import ALL_MS, DAY_MS, Window

BUCKETS = 3
MOMENTS = st.integers(-90 * DAY_MS, 90 * DAY_MS) | st.sampled_from([place * 10 * DAY_MS for place in range(-9, 9)])
DRAWN = st.integers(-(2**63), 2**63 - 1)
LENGTHS = st.sampled_from([1_000, DAY_MS, 20 * DAY_MS, 45 * DAY_MS, ALL_MS])


def ways(place, time_column, moment, drawn):
    rows = pa.table({time_column: [moment], "_who_drawn": [drawn]})
    found, calls = place(rows)
    assert not np.any(found)
    return calls.tolist()


@given(LENGTHS, DRAWN, st.data())
def test_an_asker_meets_every_event_of_its_entity_that_a_window_may_see_once(length_ms, drawn, data):
    feature = SimpleNamespace(window=Window(length_ms, 1_000))
    group = SimpleNamespace(entity="who", features=(feature,))
    reach = min(reach_ms(group), 100 * DAY_MS)
    behind_a_cut = st.builds(
        lambda cut, after: cut * routing._chunk_ms(group) + after, st.integers(-2, 2), st.integers(0, reach)
    )
    t_ms = data.draw(MOMENTS | behind_a_cut)
    event_ms = data.draw(st.integers(t_ms - reach, t_ms) | st.sampled_from([t_ms - reach, t_ms - 1, t_ms]))

    [call] = ways(place_of_askers(group, BUCKETS), "t_ms", t_ms, drawn)
    met = ways(place_of_events(group, BUCKETS), "event_time_ms", event_ms, drawn)

    assert Counter(met)[call] == 1
    assert len(met) <= 2
    [other] = ways(place_of_askers(group, BUCKETS), "t_ms", t_ms, drawn + 1 if drawn < 2**63 - 1 else drawn - 1)
    assert other not in met


@given(
    st.lists(st.integers(-4, 4), max_size=30), st.lists(st.integers(-4, 4), max_size=30), st.sampled_from([1, 3, 99])
)
def test_the_parts_of_a_call_have_each_row_once_and_whole_entities(events, askers, most):
    sides = [
        pa.table({"_who_drawn": pa.array([BUCKETS * who for who in own], pa.int64()), "row": range(len(own))})
        for own in (events, askers)
    ]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(routing, "_PART_ROWS", most)
        parts = list(parts_of(SimpleNamespace(entity="who"), BUCKETS, *sides))

    for side, whole in enumerate(sides):
        rows = [row for part in parts for row in part[side].to_pylist()]
        assert sorted(rows, key=lambda row: row["row"]) == whole.to_pylist()
    where = {}
    for place, part in enumerate(parts):
        for side in part:
            for who in side.column("_who_drawn").to_pylist():
                assert where.setdefault(who, place) == place
    if most < len(events) and len(set(events)) > 4:
        assert len(parts) > 1
