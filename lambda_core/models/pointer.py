"""Which version of a model answers, and which one did before it (kept for a revert)."""

from __future__ import annotations

import msgspec


class ModelPointer(msgspec.Struct, frozen=True):
    """The current and the previous version of one model."""

    current: str
    previous: str | None = None

    def encode(self) -> bytes:
        """Return the canonical JSON; equal pointers have equal bytes, as the compare-and-set needs."""
        return msgspec.json.encode(self, order="sorted")

    @classmethod
    def decode(cls, text: bytes) -> ModelPointer:
        """Return the pointer that `encode` was given."""
        return msgspec.json.decode(text, type=cls)
