"""What is current: the generation, its horizon and the epoch, flipped by one compare-and-set."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Published:
    """One published batch view.

    Attributes:
        generation: name of the view; its batch values are stored under it.
        horizon: the first period (of append time) that the view does not cover.
        epoch: `<definition id>.<rebuild number>` of the speed view it is merged with.
        raw_versions: version of each source's raw table that the view was computed from.
        lookback_from_ms: reads asked for before this event time are not exact (older tiles are not kept).
        positions: source -> partition -> next offset of the log that the view's tables had not reached.
    """

    generation: str
    horizon: int
    epoch: str
    raw_versions: dict[str, int]
    lookback_from_ms: int
    positions: Mapping[str, Mapping[int, int]] = field(default_factory=dict)

    def misses(self, source: str, partition: int, offset: int, period: int) -> bool:
        """Tell whether a record of a period before the horizon is not in the view: it appeared when that was decided.

        It can be where a record's append time steps back by more than the clock allowance. The speed side does not count
        it either, which has the periods from the horizon on; the next view does.
        """
        if period >= self.horizon or source not in self.positions:
            return False
        return offset >= self.positions[source].get(partition, 0)

    def encode(self) -> bytes:
        """Return the canonical JSON."""
        return _canonical(self)

    @classmethod
    def decode(cls, text: bytes) -> "Published":
        """Return the view that `encode` was given."""
        return _published(json.loads(text))

    @property
    def definition_id(self) -> str:
        """Return the id of the definition under which the view was computed."""
        return self.epoch.rsplit(".", 1)[0]

    @property
    def rebuild(self) -> int:
        """Return the number of the rebuild, among those of this definition."""
        return int(self.epoch.rsplit(".", 1)[1])


@dataclass(frozen=True)
class Pointer:
    """The current view and the one that was current before it (kept for a revert)."""

    current: Published
    previous: Published | None = None

    def encode(self) -> bytes:
        """Return the canonical JSON; equal pointers have equal bytes, as the compare-and-set needs."""
        return _canonical(self)

    @classmethod
    def decode(cls, text: bytes) -> "Pointer":
        """Return the pointer that `encode` was given."""
        fields = json.loads(text)
        previous = fields["previous"]
        return cls(_published(fields["current"]), None if previous is None else _published(previous))

    @property
    def views(self) -> tuple[Published, ...]:
        """Return the views that are named, the current one first."""
        return (self.current,) if self.previous is None else (self.current, self.previous)

    def retained_horizon(self) -> int:
        """Return the first period that both views leave to the speed view: what is before it may be let go."""
        return min(self.current.horizon, self.previous.horizon if self.previous else self.current.horizon)


def _canonical(named: Published | Pointer) -> bytes:
    return json.dumps(named, default=vars, sort_keys=True, separators=(",", ":")).encode()


def _published(fields: dict[str, Any]) -> Published:
    """Return the view of these fields; JSON has no numbers for keys."""
    named = fields.get("positions", {}).items()
    positions = {source: {int(partition): offset for partition, offset in own.items()} for source, own in named}
    return Published(**{**fields, "positions": positions})
