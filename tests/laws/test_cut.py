"""Laws 1, 3, 4, 5, 7 and 9 at once: any answer equals the batch formula over the events up to what it names.

A world runs: two workers deliver the log in any interleaving, from any earlier offset on; horizons move on and back;
the speed view is lost and rebuilt. Whatever was done, every read must equal the oracle over the events it names.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from lambda_core.features.definition import FeatureGroup
from lambda_core.features.windows import ALL_MS
from lambda_core.views.packing import BatchValue
from lambda_core.views.reading import GroupReading
from tests.laws.oracle import (
    Event,
    is_floating,
    magnitude,
    named,
    of_events,
    seen_at_the_edge,
    sides,
    value,
    without_duplicates,
)
from tests.laws.profiles import examples
from tests.laws.worlds import (
    DUPLICATE_HORIZON_MS,
    PERIOD_MS,
    WITH_SETTINGS,
    SpeedSide,
    ask_of,
    batch_value,
    by_period,
    definition,
    logs,
)

RINGS = {ring: definition(ring).groups["things"] for ring in (1, 2, 4, 40)}
SOME_WINDOWS = [(30, 10), (ALL_MS, 25)]
RICH = {ring: definition(ring, SOME_WINDOWS, WITH_SETTINGS).groups["things"] for ring in (1, 3)}
LAST_PERIOD = 4


@dataclass
class World:
    """One entity's log, how far it was delivered, and the views."""

    events: list[Event]
    ring: int
    groups: Mapping[int, FeatureGroup] = field(default_factory=lambda: RINGS)
    horizon: int = 0
    previous: int = 0
    delivered: dict[int, int] = field(default_factory=lambda: {0: 0, 1: 0})
    speed: SpeedSide = field(init=False)

    def __post_init__(self) -> None:
        self.speed = SpeedSide(self.groups[self.ring], self.ring)

    def log(self, partition: int) -> list[Event]:
        return [event for event in self.events if event.partition == partition]

    def batch(self) -> BatchValue | None:
        batch, _ = by_period(without_duplicates(self.events, DUPLICATE_HORIZON_MS), self.horizon)
        return batch_value(self.speed.group, batch)

    # --- what may happen -----------------------------------------------------------------------------------------

    def deliver(self, partition: int, back: int, count: int, zombie: int) -> None:
        """A worker reads on from `back` before where it stood; a paused one wakes up amid its work, further back."""
        log, stood = self.log(partition), self.delivered[partition]
        live = log[max(0, stood - back) : stood + count]
        late = log[max(0, stood - back - zombie) :][: len(live)]
        for pair in zip(live, late, strict=False):
            for event in pair if zombie else pair[:1]:
                self.speed.apply(event)
        self.delivered[partition] = min(len(log), max(stood, stood - back + len(live), stood + count))

    def publish(self, step: int) -> None:
        """A later view becomes current; what both views hold is let go."""
        self.previous, self.horizon = self.horizon, self.horizon + step
        self.speed.release(min(self.previous, self.horizon))

    def revert(self) -> None:
        """The previous view is current again."""
        self.horizon, self.previous = self.previous, self.horizon

    def rebuild(self) -> None:
        """Redis was lost: a new epoch is filled from the log's begin; of what the view covers it keeps the unique keys."""
        self.previous = self.horizon
        self.speed = SpeedSide(self.groups[self.ring], self.ring, first_period=self.horizon)
        for partition, count in self.delivered.items():
            for event in self.log(partition)[:count]:
                self.speed.apply(event)

    # --- what must hold ------------------------------------------------------------------------------------------

    def check(self, t_ms: int) -> GroupReading:
        reading = self.speed.read(self.batch(), self.horizon, t_ms)
        positions = reading.provenance.positions
        assert positions == self.delivered_positions()
        counted_at_all = without_duplicates(self.events, DUPLICATE_HORIZON_MS)
        batch, periods = by_period(named(counted_at_all, self.horizon, PERIOD_MS, positions), self.horizon)
        parts = sides(batch, periods, self.ring)
        after_all_folded = True
        for feature in self.speed.group.features:
            ask = ask_of(self.speed.group, feature)
            counted, edge = seen_at_the_edge(ask, parts, t_ms)
            after_all_folded = after_all_folded and not edge
            exact = value(ask, [*batch, *(event for events in periods for event in events)], t_ms)
            expected = exact if not edge else of_events(ask, counted, t_ms)
            assert same(reading.values[feature.name], expected, ask, counted, t_ms), feature.name
        assert reading.provenance.edge == (not after_all_folded)
        assert not reading.overflowed
        return reading

    def delivered_positions(self) -> dict[int, int]:
        reached: dict[int, int] = {}
        for partition, count in self.delivered.items():
            for event in self.log(partition)[:count]:
                if event.append_ms // PERIOD_MS >= self.horizon:
                    reached[partition] = event.offset
        return reached


def same(answer: Any, expected: Any, ask: Any, counted: list[Event], t_ms: int) -> bool:
    if is_floating(ask, answer) and expected is not None:
        return bool(abs(answer - expected) <= 1e-9 * magnitude(ask, counted, t_ms))
    return bool(answer == expected)


times = st.one_of(st.integers(0, 200), st.integers(-5, 260), st.integers(0, 20).map(lambda tenth: 10 * tenth))
delivering = st.tuples(st.just("deliver"), st.integers(0, 1), st.integers(0, 6), st.integers(0, 12), st.integers(0, 3))
deeds = st.lists(
    st.one_of(
        delivering,
        delivering,
        delivering,
        st.tuples(st.just("publish"), st.integers(0, 2)),
        st.tuples(st.just("revert")),
        st.tuples(st.just("rebuild")),
        st.tuples(st.just("check"), times),
    ),
    max_size=12,
)


@examples(150)
@given(events=logs(), ring=st.sampled_from(sorted(RINGS)), start=st.integers(0, 2), deeds=deeds, t_ms=times)
def test_every_answer_equals_the_batch_formula_over_the_events_it_names(events, ring, start, deeds, t_ms):
    world = World(events, ring, horizon=start, previous=start)
    for deed, *how in deeds:
        getattr(world, deed)(*how)
    world.check(t_ms)


@examples(40)
@given(events=logs(size=12), ring=st.sampled_from(sorted(RICH)), start=st.integers(0, 2), deeds=deeds, t_ms=times)
def test_answers_with_settings_equal_their_formula_over_the_events_they_name(events, ring, start, deeds, t_ms):
    world = World(events, ring, RICH, horizon=start, previous=start)
    for deed, *how in deeds:
        getattr(world, deed)(*how)
    world.check(t_ms)


@given(events=logs(), ring=st.sampled_from(sorted(RINGS)), horizon=st.integers(0, LAST_PERIOD), t_ms=times)
def test_both_sides_of_any_cut_together_are_one_pass(events, ring, horizon, t_ms):
    world = World(events, ring, horizon=horizon, previous=horizon)
    for partition in (0, 1):
        world.deliver(partition, 0, len(events), 0)
    reading = world.check(t_ms)
    counted = without_duplicates(events, DUPLICATE_HORIZON_MS)
    whole = World(events, ring, horizon=10**6, previous=10**6)
    if not reading.provenance.edge and not whole.check(t_ms).provenance.edge:
        for feature in world.speed.group.features:
            ask = ask_of(world.speed.group, feature)
            assert same(reading.values[feature.name], value(ask, counted, t_ms), ask, counted, t_ms), feature.name
