from itertools import pairwise

from lambda_core.clock import FixedClock, SystemClock


def test_the_systems_clock_counts_milliseconds_since_1970():
    moments = [SystemClock().now_ms() for _ in range(3)]
    assert all(earlier <= later for earlier, later in pairwise(moments))
    assert 1_600_000_000_000 < moments[0] < 10_000_000_000_000


def test_a_fixed_clock_moves_only_when_it_is_told_to():
    clock = FixedClock(1_000)
    assert clock.now_ms() == clock.now_ms() == 1_000
    clock.advance(250)
    clock.advance(-50)
    assert clock.now_ms() == 1_200
