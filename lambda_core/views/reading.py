"""One (feature group, entity)'s answer at t from both views.

For every window, with `start = floor(t - length, hop)`:

1. Batch side. If t is after the view's last event for the entity, the suffix state from `start` on is all of it.
   Otherwise the tiles that start in `[start, t)` are merged.
2. Speed side, every period from the horizon on. Tiles that start at or after `start` count; those that start at or
   after t do not. Single events count when they lie in `[start, t)`.
3. A counted tile that ends after t, in a hash (or view) with a folded event at or after t, is taken whole: it may hold
   events of t or later. The answer then says `edge`.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import NamedTuple

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations import State, Value
from lambda_core.features.definition import FeatureGroup
from lambda_core.features.windows import Window
from lambda_core.schemas.messages import GroupProvenance
from lambda_core.views.packing import BatchValue
from lambda_core.views.speed import SpeedHash


@dataclass(frozen=True)
class GroupReading:
    """One group's values at t by feature name, and where they came from."""

    values: dict[str, Value]
    provenance: GroupProvenance
    overflowed: list[str]


class Run:
    """Rows of components by their moment, ascending, and the states of any stretch of them.

    Reads of a busy entity at neighbouring moments share most of a stretch: what ends further on is merged from where the
    last one before it ended, so that many reads cost little more than one.
    """

    def __init__(self, group: FeatureGroup, timed: Sequence[tuple[int, list[str]]] = ()) -> None:
        self._group = group
        self.moments = [moment for moment, _ in timed]
        self._rows = [row for _, row in timed]
        self._decoded: dict[tuple[int, int], State] = {}
        self._merged: dict[tuple[int, int], tuple[list[int], list[State]]] = {}

    def between(self, start_ms: int, end_ms: int) -> "Stretch":
        """Return the rows of the moments in `[start_ms, end_ms)`."""
        return Stretch(self, bisect_left(self.moments, start_ms), bisect_left(self.moments, end_ms))

    def state(self, slot: int, first: int, end: int) -> State:
        """Return the slot's state of the rows in `[first, end)`, places in the run."""
        ends, states = self._merged.setdefault((slot, first), ([first], [None]))
        at = bisect_right(ends, end) - 1
        if ends[at] < end:
            state, merge = states[at], self._group.slots[slot].aggregation.merge
            for place in range(ends[at], end):
                state = merge(state, self._decode(slot, place))
            at += 1
            ends.insert(at, end)
            states.insert(at, state)
        return states[at]

    def _decode(self, slot: int, place: int) -> State:
        """Return one row's state: of a row only what is asked for is decoded, and once."""
        key = (slot, place)
        if key not in self._decoded:
            texts = self._rows[place][self._group.places[slot]]
            self._decoded[key] = self._group.slots[slot].aggregation.decode(texts)
        return self._decoded[key]


class Stretch(NamedTuple):
    """The rows in `[first, end)` of a run."""

    run: Run
    first: int
    end: int

    @property
    def is_empty(self) -> bool:
        """Tell whether there is no row."""
        return self.first >= self.end


class EntityReader:
    """Reads one (feature group, entity) at any t from views that were read once; reads share what they have in common."""

    def __init__(
        self,
        group: FeatureGroup,
        entity: str | None,
        batch: BatchValue | None,
        speed: Sequence[SpeedHash],
        *,
        late: bool = False,
    ) -> None:
        self._group, self._entity, self._batch, self._late = group, entity, batch, late
        self._positions, self._last_event_ms = _positions(speed), _last_event(batch, speed)
        tiles = {hop_ms: _tiles_of(speed, hop_ms) for hop_ms in group.hops_ms}
        self._tiles = {hop_ms: Run(group, [(start, row) for start, row, _ in own]) for hop_ms, own in tiles.items()}
        self._folded = {hop_ms: [folded_ms for *_, folded_ms in own] for hop_ms, own in tiles.items()}
        singles = [(moment.event_time_ms, row) for hash_ in speed for moment, row in hash_.singles]
        self._singles = Run(group, sorted(singles, key=itemgetter(0)))
        self._suffixes: dict[tuple[int, int], Run] = {}

    def read(self, t_ms: int) -> GroupReading:
        """Return the group's features at `t_ms`."""
        values: dict[str, Value] = dict.fromkeys(feature.name for feature in self._group.features)
        overflowed: list[str] = []
        edges: list[bool] = []
        from_batch = from_speed = False
        for window, features in self._group.by_window.items():
            of_batch = self._of_batch(window, t_ms, edges)
            of_speed = [self._of_tiles(window, t_ms, edges), self._singles.between(window.start(t_ms), t_ms)]
            from_batch = from_batch or not of_batch.is_empty
            from_speed = from_speed or not all(stretch.is_empty for stretch in of_speed)
            for feature in features:
                try:
                    values[feature.name] = feature.answer.finish(self._state(feature.slot, [of_batch, *of_speed]), t_ms)
                except OverflowStateError:
                    overflowed.append(feature.name)
        provenance = GroupProvenance(
            self._entity, dict(self._positions), from_batch, from_speed, any(edges), self._last_event_ms, self._late
        )
        return GroupReading(values, provenance, overflowed)

    def _of_batch(self, window: Window, t_ms: int, edges: list[bool]) -> Stretch:
        hop_ms, start_ms = window.hop_ms, window.start(t_ms)
        if self._batch is None:
            return Stretch(self._singles, 0, 0)
        if t_ms > self._batch.last_event_ms:
            if (hop_ms, start_ms) not in self._suffixes:
                suffix = self._batch.hops[hop_ms].suffix(start_ms)
                self._suffixes[hop_ms, start_ms] = Run(self._group, [] if suffix is None else [(start_ms, suffix)])
            return self._suffixes[hop_ms, start_ms].between(start_ms, t_ms)
        counted = self._batch.hops[hop_ms].between(start_ms, t_ms)
        edges.append(bool(counted) and counted[-1][0] + hop_ms > t_ms)
        return Run(self._group, counted).between(start_ms, t_ms)

    def _of_tiles(self, window: Window, t_ms: int, edges: list[bool]) -> Stretch:
        run, folded = self._tiles[window.hop_ms], self._folded[window.hop_ms]
        counted = run.between(window.start(t_ms), t_ms)
        over_t = max(counted.first, bisect_right(run.moments, t_ms - window.hop_ms))  # tiles from here on end after t
        edges.append(any(folded_ms >= t_ms for folded_ms in folded[over_t : counted.end]))
        return counted

    def _state(self, slot: int, stretches: Sequence[Stretch]) -> State:
        """Return the slot's state of all these rows' events."""
        aggregation = self._group.slots[slot].aggregation
        state: State = None
        for run, first, end in stretches:
            state = aggregation.merge(state, run.state(slot, first, end))
        return state


def read_group(
    group: FeatureGroup, entity: str | None, batch: BatchValue | None, speed: Sequence[SpeedHash], t_ms: int
) -> GroupReading:
    """Return the group's features at `t_ms` from the entity's batch value and its speed hashes from the horizon on."""
    return EntityReader(group, entity, batch, speed).read(t_ms)


def _positions(speed: Sequence[SpeedHash]) -> dict[int, int]:
    positions: dict[int, int] = {}
    for hash_ in speed:
        for partition, offset in hash_.fence.items():
            positions[partition] = max(offset, positions.get(partition, -1))
    return positions


def _last_event(batch: BatchValue | None, speed: Sequence[SpeedHash]) -> int | None:
    moments = [hash_.last_event_ms() for hash_ in speed] + ([batch.last_event_ms] if batch else [])
    newest = max(moments, default=-1)
    return newest if newest >= 0 else None


def _tiles_of(speed: Sequence[SpeedHash], hop_ms: int) -> list[tuple[int, list[str], int]]:
    """Return start, row, and the greatest event time that is folded in the same hash, of the hop's tiles, ascending."""
    tiles = [
        (start_ms, row, hash_.folded_ms)
        for hash_ in speed
        for (hop, start_ms), row in hash_.tiles.items()
        if hop == hop_ms
    ]
    return sorted(tiles, key=itemgetter(0))
