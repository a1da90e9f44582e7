"""Law 5: a window of length W at t covers `[floor(t - W, hop), t)`."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_core.features.windows import DAY_MS, HOUR_MS, MINUTE_MS, Window, default_hop, floor_to

lengths = st.integers(1, 500)


@given(length=lengths, hop=lengths, event=st.integers(-600, 600), t=st.integers(-50, 600))
@example(length=10, hop=10, event=100, t=100)
@example(length=10, hop=10, event=90, t=100)
@example(length=10, hop=10, event=89, t=100)
def test_a_window_covers_the_hop_of_its_left_edge_and_ends_strictly_before_t(length, hop, event, t):
    window = Window.of(length, hop)
    first = next(start for start in range(t - length, t - length - hop - 1, -1) if start % hop == 0)
    assert window.start(t) == first
    assert window.covers(event, t) == (event in range(first, t))


@given(length=lengths, hop=lengths, event=st.integers(0, 600), t=st.integers(0, 600))
def test_every_tile_lies_wholly_inside_or_outside_the_left_edge(length, hop, event, t):
    start, tile = Window.of(length, hop).start(t), floor_to(event, hop)
    assert (start <= event) == (start <= tile)


@pytest.mark.parametrize(
    ("length", "hop"),
    [
        (1, 5 * MINUTE_MS),
        (12 * HOUR_MS - 1, 5 * MINUTE_MS),
        (12 * HOUR_MS, HOUR_MS),
        (12 * DAY_MS - 1, HOUR_MS),
        (12 * DAY_MS, DAY_MS),
        (365 * DAY_MS, DAY_MS),
    ],
)
def test_the_hop_follows_from_the_length_unless_it_is_declared(length, hop):
    assert default_hop(length) == hop == Window.of(length).hop_ms
    assert Window.of(length, 7).hop_ms == 7
