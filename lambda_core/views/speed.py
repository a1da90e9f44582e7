"""The fenced merge of updates into one period's hash: the rule that `merge.lua` renders for Redis.

A hash holds, for one (feature group, entity, epoch, period):

    f:<partition>      fence: the last source offset applied, a partition
    m                  meta: greatest event time folded, then event time, partition, offset of each single event
    e:<place>          row of components of the single event at this place of the meta
    t:<hop>:<start>    row of components of a tile: the events folded into [start, start + hop)

How an update is applied:

1. Not newer than the fence of its partition: dropped, it was applied before.
2. A unique key seen within the horizon of its last kept copy: dropped as a declared duplicate; the fence moves.
3. There is room among the single events (K): it is kept single.
4. Else the earliest of the K + 1 (by event time, partition, offset) is folded into its tile of every hop, and the
   greatest event time folded is kept.

Packed values are MessagePack: a row is an array of texts, the meta an array of integers (-1: nothing folded).
"""

from dataclasses import dataclass, field

import msgspec

from lambda_core.features.aggregations import Moment, State
from lambda_core.features.definition import FeatureGroup
from lambda_core.features.windows import floor_to
from lambda_core.schemas.messages import Update

NOTHING_FOLDED = -1


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
        singles: the newest events: (moment, row of components).
        tiles: (hop_ms, start_ms) -> row of components.
    """

    fence: dict[int, int] = field(default_factory=dict)
    folded_ms: int = NOTHING_FOLDED
    singles: list[tuple[Moment, list[str]]] = field(default_factory=list)
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
        if len(self.singles) < ring:
            self.singles.append(single)
            return
        place = min(range(len(self.singles)), key=lambda index: self.singles[index][0])
        if self.singles[place][0] < single[0]:
            single, self.singles[place] = self.singles[place], single
        self._fold(group, *single)

    def _fold(self, group: FeatureGroup, moment: Moment, row: list[str]) -> None:
        self.folded_ms = max(self.folded_ms, moment.event_time_ms)
        for hop_ms in group.hops_ms:
            tile = (hop_ms, floor_to(moment.event_time_ms, hop_ms))
            self.tiles[tile] = merge_rows(group, self.tiles[tile], row) if tile in self.tiles else row

    def last_event_ms(self) -> int:
        """Return the greatest event time in the hash; -1 when it is empty."""
        return max([self.folded_ms, *(moment.event_time_ms for moment, _ in self.singles)])

    def encode(self) -> dict[bytes, bytes]:
        """Return the hash's fields as Redis holds them (singles in order of the meta)."""
        fields = {f"f:{partition}".encode(): str(offset).encode() for partition, offset in self.fence.items()}
        meta = [self.folded_ms, *(number for moment, _ in self.singles for number in moment)]
        fields[b"m"] = msgspec.msgpack.encode(meta)
        for place, (_, row) in enumerate(self.singles):
            fields[f"e:{place}".encode()] = msgspec.msgpack.encode(row)
        for (hop_ms, start_ms), row in self.tiles.items():
            fields[f"t:{hop_ms}:{start_ms}".encode()] = msgspec.msgpack.encode(row)
        return fields

    @classmethod
    def decode(cls, fields: dict[bytes, bytes]) -> "SpeedHash":
        """Return the hash whose Redis fields these are."""
        hash_, rows, meta = cls(), {}, [NOTHING_FOLDED]
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
                meta = msgspec.msgpack.decode(value)
        hash_.folded_ms = meta[0]
        for place in range(len(meta) // 3):
            moment = Moment(*meta[1 + 3 * place : 4 + 3 * place])
            hash_.singles.append((moment, msgspec.msgpack.decode(rows[place])))
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
