"""What is current: the generation, its horizon and the epoch, flipped by one compare-and-set."""

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Published:
    """One published batch view.

    Attributes:
        generation: name of the view; its batch values are stored under it.
        horizon: the first period (of append time) that the view does not cover.
        epoch: `<definition id>.<rebuild number>` of the speed view it is merged with.
        raw_versions: version of each source's raw table that the view was computed from.
        lookback_from_ms: reads asked for before this event time are not exact (older tiles are not kept).
    """

    generation: str
    horizon: int
    epoch: str
    raw_versions: dict[str, int]
    lookback_from_ms: int

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
        return json.dumps(asdict(self), sort_keys=True, separators=(",", ":")).encode()

    @classmethod
    def decode(cls, text: bytes) -> "Pointer":
        """Return the pointer that `encode` was given."""
        fields = json.loads(text)
        previous = fields["previous"]
        return cls(Published(**fields["current"]), None if previous is None else Published(**previous))

    def retained_horizon(self) -> int:
        """Return the first period that both views leave to the speed view: what is before it may be let go."""
        return min(self.current.horizon, self.previous.horizon if self.previous else self.current.horizon)
