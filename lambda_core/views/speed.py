"""The fenced merge of updates into one period's hash: the rule that `merge.lua` renders for Redis.

A hash holds, for one (feature group, entity, epoch, period):

    f:<partition>      fence: the last source offset applied, a partition
    m                  meta: greatest event time folded, then the single events, ascending by event time, partition and
                       offset: these three, and the place of its row
    e:<place>          row of components of the single event that has this place
    t:<hop>:<start>    row of components of a tile: the events folded into [start, start + hop)

How an update is applied:

1. Not newer than the fence of its partition: dropped, it was applied before.
2. A unique key seen within the horizon of its last kept copy: dropped as a declared duplicate; the fence moves.
3. There is room among the single events (K): it is kept single.
4. Else the earliest of the K + 1 (by event time, partition, offset) is folded into its tile of every hop, and the
   greatest event time folded is kept.

A row is a MessagePack array of texts. The meta is little-endian: a double (-1: nothing folded), then for each single
event double, int32, double, uint16. Tiles, singles and their order depend only on which events were applied; places
depend on the order, too.
"""

from bisect import bisect_left
from dataclasses import dataclass, field
from struct import Struct

import msgspec

from lambda_core.features.aggregations import Moment, State
from lambda_core.features.definition import FeatureGroup
from lambda_core.features.windows import floor_to
from lambda_core.schemas.messages import Update

NOTHING_FOLDED = -1
_FOLDED, _SINGLE = Struct("<d"), Struct("<didH")


@dataclass
class SeenKeys:
    """Unique keys of one (feature group, entity), with append time and offset of the copy last kept.

    Copies are copies on one source partition: offsets of two partitions have no order, and so no first. Whoever sends
    the copies of an event to several partitions sends several events (counted and named by the batch layer).
    """

    horizon_ms: int
    kept: dict[tuple[int, str], tuple[int, int]] = field(default_factory=dict)

    def is_duplicate(self, update: Update) -> bool:
        """Tell whether the update is a later copy within the horizon of the one kept; if not, keep it."""
        if not update.unique:
            return False
        key = (update.partition, update.unique)
        append_ms, offset = self.kept.get(key, (0, update.offset))
        if offset != update.offset and update.append_ms - append_ms <= self.horizon_ms:
            return True
        self.kept[key] = (update.append_ms, update.offset)
        return False


@dataclass
class SpeedHash:
    """One period's hash, unpacked.

    Attributes:
        fence: source partition -> last offset applied.
        folded_ms: greatest event time folded into tiles; -1 when nothing was.
        singles: the newest events, ascending: (moment, row of components).
        places: for each single event, where its row is kept.
        tiles: (hop_ms, start_ms) -> row of components.
    """

    fence: dict[int, int] = field(default_factory=dict)
    folded_ms: int = NOTHING_FOLDED
    singles: list[tuple[Moment, list[str]]] = field(default_factory=list)
    places: list[int] = field(default_factory=list)
    tiles: dict[tuple[int, int], list[str]] = field(default_factory=dict)

    def apply(self, group: FeatureGroup, update: Update, seen: SeenKeys, ring: int) -> str:
        """Apply one update; return `applied`, `fenced` or `duplicate`."""
        if update.offset <= self.fence.get(update.partition, -1):
            return "fenced"
        self.fence[update.partition] = update.offset
        if seen.is_duplicate(update):
            return "duplicate"
        self._keep_or_fold(group, (Moment(update.event_ms, update.partition, update.offset), update.row), ring)
        return "applied"

    def _keep_or_fold(self, group: FeatureGroup, single: tuple[Moment, list[str]], ring: int) -> None:
        at, place = bisect_left(self.singles, single[0], key=lambda kept: kept[0]), len(self.singles)
        if place >= ring:
            if at == 0:
                self._fold(group, *single)
                return
            self._fold(group, *self.singles.pop(0))
            at, place = at - 1, self.places.pop(0)
        self.singles.insert(at, single)
        self.places.insert(at, place)

    def _fold(self, group: FeatureGroup, moment: Moment, row: list[str]) -> None:
        self.folded_ms = max(self.folded_ms, moment.event_time_ms)
        for hop_ms in group.hops_ms:
            tile = (hop_ms, floor_to(moment.event_time_ms, hop_ms))
            self.tiles[tile] = merge_rows(group, self.tiles[tile], row) if tile in self.tiles else row

    def last_event_ms(self) -> int:
        """Return the greatest event time in the hash; -1 when it is empty."""
        return max(self.folded_ms, self.singles[-1][0].event_time_ms if self.singles else NOTHING_FOLDED)

    def encode(self) -> dict[bytes, bytes]:
        """Return the hash's fields as Redis holds them."""
        fields = {f"f:{partition}".encode(): str(offset).encode() for partition, offset in self.fence.items()}
        meta = [_FOLDED.pack(self.folded_ms)]
        for (moment, row), place in zip(self.singles, self.places, strict=True):
            meta.append(_SINGLE.pack(*moment, place))
            fields[f"e:{place}".encode()] = msgspec.msgpack.encode(row)
        fields[b"m"] = b"".join(meta)
        for (hop_ms, start_ms), row in self.tiles.items():
            fields[f"t:{hop_ms}:{start_ms}".encode()] = msgspec.msgpack.encode(row)
        return fields

    @classmethod
    def decode(cls, fields: dict[bytes, bytes]) -> "SpeedHash":
        """Return the hash whose Redis fields these are."""
        hash_, rows, meta = cls(), {}, _FOLDED.pack(NOTHING_FOLDED)
        for name, value in fields.items():
            kind, _, rest = name.partition(b":")
            if kind == b"f":
                hash_.fence[int(rest)] = int(value)
            elif kind == b"e":
                rows[int(rest)] = value
            elif kind == b"t":
                hop_ms, _, start_ms = rest.partition(b":")
                hash_.tiles[int(hop_ms), int(start_ms)] = msgspec.msgpack.decode(value)
            elif kind == b"m":
                meta = value
        hash_.folded_ms = int(_FOLDED.unpack_from(meta)[0])
        for event_ms, partition, offset, place in _SINGLE.iter_unpack(memoryview(meta)[_FOLDED.size :]):
            moment = Moment(int(event_ms), partition, int(offset))
            hash_.singles.append((moment, msgspec.msgpack.decode(rows[place])))
            hash_.places.append(place)
        return hash_


def merge_rows(group: FeatureGroup, left: list[str], right: list[str]) -> list[str]:
    """Return the row of both sides' events: components of all slots, as texts."""
    return group.encode(group.merge(group.decode(left), group.decode(right)))


def states_of(group: FeatureGroup, rows: list[list[str]]) -> list[State]:
    """Return the merge of rows, slot by slot."""
    states = group.zero()
    for row in rows:
        states = group.merge(states, group.decode(row))
    return states
