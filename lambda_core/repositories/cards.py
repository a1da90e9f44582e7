"""Cards: a small JSON file beside something says whose it is, since whoever came first wrote it, or what was found of it."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def read_card(card: Path) -> dict[str, Any] | None:
    """Return what the card says; None where there is none. Makes nothing."""
    try:
        said: dict[str, Any] = json.loads(card.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return said


def claim_card(card: Path, mine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the card says, which is `mine` where it is new; of all who come at once, one has written it.

    It is written whole beside its place and then linked there, which fails where somebody was quicker: so nobody ever
    reads half a card, and nobody's takes the place of another's.
    """
    if not card.exists():
        beside = _beside(card, mine)
        try:
            card.hardlink_to(beside)
        except FileExistsError:
            pass  # its is the one that counts
        finally:
            beside.unlink()
    return read_card(card) or {}


def write_card(card: Path, said: Mapping[str, Any]) -> None:
    """Write the card in the place of what it said before; whoever reads meanwhile reads one of both, whole."""
    _beside(card, said).replace(card)


def _beside(card: Path, said: Mapping[str, Any]) -> Path:
    card.parent.mkdir(parents=True, exist_ok=True)
    beside = card.with_name(f"{card.name}.{uuid.uuid4().hex}")
    beside.write_text(json.dumps(said, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return beside
