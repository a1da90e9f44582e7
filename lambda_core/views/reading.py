"""One (feature group, entity)'s answer at t from both views.

For every window, with `start = floor(t - length, hop)`:

1. Batch side. If t is after the view's last event for the entity, the suffix state from `start` on is all of it.
   Otherwise the tiles that start in `[start, t)` are merged.
2. Speed side, every period from the horizon on. Tiles that start at or after `start` count; those that start at or
   after t do not. Single events count when they lie in `[start, t)`.
3. A counted tile that ends after t, in a hash (or view) with a folded event at or after t, is taken whole: it may hold
   events of t or later. The answer then says `edge`.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations import State, Value
from lambda_core.features.definition import FeatureGroup
from lambda_core.features.windows import Window
from lambda_core.schemas.messages import GroupProvenance
from lambda_core.views.packing import BatchValue
from lambda_core.views.speed import SpeedHash

Rows = list[list[str]]


@dataclass(frozen=True)
class GroupReading:
    """One group's values at t by feature name, and where they came from."""

    values: dict[str, Value]
    provenance: GroupProvenance
    overflowed: list[str]


class EntityReader:
    """Reads one (feature group, entity) at any t from views that were read once; reads share what they have in common.

    Between two reads of a busy entity most tiles are the same, so that their merge is kept: a read then merges it with
    the batch side's suffix and the single events.
    """

    def __init__(
        self,
        group: FeatureGroup,
        entity: str | None,
        batch: BatchValue | None,
        speed: Sequence[SpeedHash],
        *,
        late: bool = False,
    ) -> None:
        self._group, self._entity, self._batch, self._speed, self._late = group, entity, batch, speed, late
        self._positions, self._last_event_ms = _positions(speed), _last_event(batch, speed)
        self._decoded: dict[tuple[int, int], State] = {}
        self._merged: dict[tuple[int, tuple[int, ...]], State] = {}
        self._suffixes: dict[tuple[int, int], Rows] = {}
        self._kept: list[Rows] = []  # keeps the rows alive, so that an id names one of them

    def read(self, t_ms: int) -> GroupReading:
        """Return the group's features at `t_ms`."""
        values: dict[str, Value] = dict.fromkeys(feature.name for feature in self._group.features)
        overflowed: list[str] = []
        edges: list[bool] = []
        from_batch = from_speed = False
        for window, features in self._group.by_window.items():
            parts = [
                self._batch_rows(window, t_ms, edges),
                self._tiles(window, t_ms, edges),
                self._singles(window, t_ms),
            ]
            from_batch, from_speed = from_batch or bool(parts[0]), from_speed or bool(parts[1] or parts[2])
            keyed = [(tuple(map(id, rows)), rows) for rows in parts if rows]
            for feature in features:
                try:
                    values[feature.name] = feature.answer.finish(self._state(feature.slot, keyed), t_ms)
                except OverflowStateError:
                    overflowed.append(feature.name)
        provenance = GroupProvenance(
            self._entity, dict(self._positions), from_batch, from_speed, any(edges), self._last_event_ms, self._late
        )
        return GroupReading(values, provenance, overflowed)

    def _batch_rows(self, window: Window, t_ms: int, edges: list[bool]) -> Rows:
        if self._batch is None:
            return []
        tiles, start_ms = self._batch.hops[window.hop_ms], window.start(t_ms)
        if t_ms > self._batch.last_event_ms:
            if (window.hop_ms, start_ms) not in self._suffixes:
                suffix = tiles.suffix(start_ms)
                self._suffixes[window.hop_ms, start_ms] = [] if suffix is None else [suffix]
            return self._suffixes[window.hop_ms, start_ms]
        counted = tiles.between(start_ms, t_ms)
        edges.append(bool(counted) and counted[-1][0] + window.hop_ms > t_ms)
        return [row for _, row in counted]

    def _tiles(self, window: Window, t_ms: int, edges: list[bool]) -> Rows:
        rows: Rows = []
        for hash_ in self._speed:
            starts, found = hash_.tiles_between(window.hop_ms, window.start(t_ms), t_ms)
            edges.append(bool(starts) and starts[-1] + window.hop_ms > t_ms and hash_.folded_ms >= t_ms)
            rows += found
        return rows

    def _singles(self, window: Window, t_ms: int) -> Rows:
        return [row for hash_ in self._speed for row in hash_.singles_between(window.start(t_ms), t_ms)]

    def _state(self, slot: int, parts: Sequence[tuple[tuple[int, ...], Rows]]) -> State:
        """Return the slot's state of all these rows' events; of a row only what is asked for is decoded, and once."""
        aggregation = self._group.slots[slot].aggregation
        state: State = None
        for ids, rows in parts:
            if (slot, ids) not in self._merged:
                self._merged[slot, ids] = self._merge(slot, rows)
                self._kept.append(rows)
            state = aggregation.merge(state, self._merged[slot, ids])
        return state

    def _merge(self, slot: int, rows: Rows) -> State:
        aggregation, place = self._group.slots[slot].aggregation, self._group.places[slot]
        state: State = None
        for row in rows:
            key = (slot, id(row))
            if key not in self._decoded:
                self._decoded[key] = aggregation.decode(row[place])
            state = aggregation.merge(state, self._decoded[key])
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
