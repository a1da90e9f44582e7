"""How far a view may reach, by what the broker says: no record before the horizon is left, now or later."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.publishing.horizon import Prepared, choose_horizon
from lambda_core.clock import FixedClock
from lambda_core.errors import GuardError
from lambda_core.repositories.memory_topics import MemoryTopics

PERIOD_MS, ALLOWANCE_MS = 60, 20
VIEW = SimpleNamespace(period_ms=PERIOD_MS, clock_allowance_ms=ALLOWANCE_MS)


def chosen(now_ms: int, stamps: list[int], prepared: int) -> int:
    context = SimpleNamespace(clock=FixedClock(now_ms), project=SimpleNamespace(view=VIEW))
    source = Prepared("orders", "orders", {}, {0: prepared})
    return choose_horizon(context, MemoryTopics({"orders": {0: stamps}}), [source], least=0)


@given(
    steps=st.lists(st.tuples(st.integers(0, 40), st.integers(0, ALLOWANCE_MS - 1)), max_size=12),
    later=st.integers(0, 100),
    data=st.data(),
)
def test_every_record_before_the_horizon_was_prepared_and_none_comes_later(steps, later, data):
    now_ms, stamps = 100, []
    for passed, back in steps:
        now_ms += passed
        stamps.append(now_ms - back)  # a broker stamps less than an allowance in the past
    prepared = data.draw(st.integers(0, len(stamps)))

    try:
        horizon = chosen(now_ms + later, stamps, prepared)
    except GuardError:
        assert stamps[prepared:]
        return

    assert all(stamp >= horizon * PERIOD_MS for stamp in stamps[prepared:])
    assert now_ms + later - ALLOWANCE_MS >= horizon * PERIOD_MS


def test_the_first_record_after_the_horizon_proves_nothing_of_those_behind_it():
    stamps = [130, 119]

    assert chosen(1_000, stamps, prepared=1) == 1
    assert chosen(1_000, stamps, prepared=2) == 16


def test_a_partition_of_which_nothing_was_prepared_holds_the_view_back():
    with pytest.raises(GuardError, match="orders/0: prepared up to 0, needed 1"):
        chosen(1_000, [0, 500], prepared=0)
