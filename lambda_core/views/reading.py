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
from lambda_core.views.packing import BatchValue, HopTiles
from lambda_core.views.speed import SpeedHash

Rows = list[list[str]]


@dataclass(frozen=True)
class GroupReading:
    """One group's values at t by feature name, and where they came from."""

    values: dict[str, Value]
    provenance: GroupProvenance
    overflowed: list[str]


class _Merger:
    """Merges rows slot by slot. Of a row only what is asked for is decoded, and shared rows are merged only once."""

    def __init__(self, group: FeatureGroup) -> None:
        self._group = group
        self._decoded: dict[tuple[int, int], State] = {}
        self._merged: dict[tuple[int, tuple[int, ...]], State] = {}
        self._kept: Rows = []  # keeps the rows alive, so that an id names one of them

    def state(self, slot: int, batch_rows: Rows, speed_rows: Rows) -> State:
        """Return the slot's state of all these rows' events."""
        aggregation = self._group.slots[slot].aggregation
        return aggregation.merge(self._of(slot, batch_rows), self._of(slot, speed_rows))

    def _of(self, slot: int, rows: Rows) -> State:
        shared = (slot, tuple(map(id, rows)))
        if shared not in self._merged:
            self._merged[shared] = self._merge(slot, rows)
            self._kept += rows
        return self._merged[shared]

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
    edges: list[bool] = []
    values: dict[str, Value] = dict.fromkeys(feature.name for feature in group.features)
    overflowed: list[str] = []
    from_batch = from_speed = False
    merger = _Merger(group)
    for window, features in group.by_window.items():
        batch_rows = _batch_rows(batch, window, t_ms, edges) if batch else []
        speed_rows = [row for hash_ in speed for row in _speed_rows(hash_, window, t_ms, edges)]
        from_batch, from_speed = from_batch or bool(batch_rows), from_speed or bool(speed_rows)
        for feature in features:
            try:
                state = merger.state(feature.slot, batch_rows, speed_rows)
                values[feature.name] = group.slots[feature.slot].aggregation.finish(state)
            except OverflowStateError:
                overflowed.append(feature.name)
    provenance = GroupProvenance(
        entity, _positions(speed), from_batch, from_speed, any(edges), _last_event(batch, speed)
    )
    return GroupReading(values, provenance, overflowed)


def _batch_rows(batch: BatchValue, window: Window, t_ms: int, edges: list[bool]) -> Rows:
    tiles: HopTiles = batch.hops[window.hop_ms]
    if t_ms > batch.last_event_ms:
        suffix = tiles.suffix(window.start(t_ms))
        return [] if suffix is None else [suffix]
    counted = tiles.between(window.start(t_ms), t_ms)
    edges.append(bool(counted) and counted[-1][0] + window.hop_ms > t_ms)
    return [row for _, row in counted]


def _speed_rows(hash_: SpeedHash, window: Window, t_ms: int, edges: list[bool]) -> Rows:
    start_ms = window.start(t_ms)
    rows = []
    for (hop_ms, tile_ms), row in hash_.tiles.items():
        if hop_ms == window.hop_ms and start_ms <= tile_ms < t_ms:
            rows.append(row)
            edges.append(tile_ms + hop_ms > t_ms and hash_.folded_ms >= t_ms)
    rows += [row for moment, row in hash_.singles if start_ms <= moment.event_time_ms < t_ms]
    return rows


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
