"""Whoever asks meets every event that a window may see, and Spark is told of each twice at most."""

from collections import Counter
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation.routing import place_of_askers, place_of_events, reach_ms
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


@given(LENGTHS, MOMENTS, DRAWN, st.data())
def test_an_asker_meets_every_event_of_its_entity_that_a_window_may_see_once(length_ms, t_ms, drawn, data):
    feature = SimpleNamespace(window=Window(length_ms, 1_000))
    group = SimpleNamespace(entity="who", features=(feature,))
    event_ms = data.draw(
        st.integers(t_ms - min(reach_ms(group), 100 * DAY_MS), t_ms - 1) | st.sampled_from([t_ms - 1, t_ms])
    )

    [call] = ways(place_of_askers(group, BUCKETS), "t_ms", t_ms, drawn)
    met = ways(place_of_events(group, BUCKETS), "event_time_ms", event_ms, drawn)

    assert Counter(met)[call] == 1
    assert len(met) <= 2
    [other] = ways(place_of_askers(group, BUCKETS), "t_ms", t_ms, drawn + 1 if drawn < 2**63 - 1 else drawn - 1)
    assert other not in met
