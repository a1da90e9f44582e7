"""One batch value: an entity's tiles of one group, and for each tile the merge of it and all later ones.

    packed = MessagePack [last_event_ms, [[hop_ms, starts, tile_ends, tiles, suffix_ends, suffixes], ...]]

`starts` are the tiles' starts (int64, ascending), `tiles` and `suffixes` the packed rows one after the other, and
`..._ends` (uint32) where each row ends, so that a read decodes one row a window, whatever the history's length.
"""

from array import array
from bisect import bisect_left
from dataclasses import dataclass

import msgspec

from lambda_core.features.definition import FeatureGroup

Tiles = dict[tuple[int, int], list[str]]
"""(hop_ms, start_ms) -> row of components."""


@dataclass(frozen=True)
class HopTiles:
    """The tiles of one hop, and their suffix merges, still packed."""

    starts: array  # type: ignore[type-arg]
    tile_ends: array  # type: ignore[type-arg]
    tiles: bytes
    suffix_ends: array  # type: ignore[type-arg]
    suffixes: bytes

    def suffix(self, start_ms: int) -> list[str] | None:
        """Return the merge of all tiles that start at or after `start_ms`; None when there is none."""
        place = bisect_left(self.starts, start_ms)
        return None if place == len(self.starts) else _row(self.suffixes, self.suffix_ends, place)

    def between(self, start_ms: int, end_ms: int) -> list[tuple[int, list[str]]]:
        """Return (start, row) of the tiles that start in `[start_ms, end_ms)`."""
        first, last = bisect_left(self.starts, start_ms), bisect_left(self.starts, end_ms)
        return [(self.starts[place], _row(self.tiles, self.tile_ends, place)) for place in range(first, last)]


@dataclass(frozen=True)
class BatchValue:
    """One entity's batch value of one group.

    Attributes:
        last_event_ms: greatest event time in the view for this entity.
        hops: hop in milliseconds -> its tiles.
    """

    last_event_ms: int
    hops: dict[int, HopTiles]


def pack(group: FeatureGroup, last_event_ms: int, tiles: Tiles) -> bytes:
    """Return the packed batch value of an entity from its tiles (any order)."""
    return msgspec.msgpack.encode([last_event_ms, [_pack_hop(group, hop_ms, tiles) for hop_ms in group.hops_ms]])


def unpack(packed: bytes) -> BatchValue:
    """Return the batch value that `pack` made; rows stay packed until they are asked for."""
    last_event_ms, hops = msgspec.msgpack.decode(packed)
    return BatchValue(last_event_ms, {hop[0]: _unpack_hop(hop[1:]) for hop in hops})


def _pack_hop(group: FeatureGroup, hop_ms: int, tiles: Tiles) -> list[object]:
    rows = sorted((start_ms, row) for (hop, start_ms), row in tiles.items() if hop == hop_ms)
    suffixes: list[list[str]] = []
    states = group.zero()
    for _, row in reversed(rows):
        states = group.merge(group.decode(row), states)
        suffixes.append(group.encode(states) if suffixes else row)
    starts = array("q", [start_ms for start_ms, _ in rows]).tobytes()
    return [hop_ms, starts, *_joined([row for _, row in rows]), *_joined(suffixes[::-1])]


def _joined(rows: list[list[str]]) -> tuple[bytes, bytes]:
    packed = [msgspec.msgpack.encode(row) for row in rows]
    ends, end = array("I"), 0
    for row in packed:
        end += len(row)
        ends.append(end)
    return ends.tobytes(), b"".join(packed)


def _unpack_hop(parts: list[bytes]) -> HopTiles:
    starts, tile_ends, tiles, suffix_ends, suffixes = parts
    return HopTiles(array("q", starts), array("I", tile_ends), tiles, array("I", suffix_ends), suffixes)


def _row(rows: bytes, ends: "array[int]", place: int) -> list[str]:
    begin = ends[place - 1] if place else 0
    row: list[str] = msgspec.msgpack.decode(rows[begin : ends[place]])
    return row
