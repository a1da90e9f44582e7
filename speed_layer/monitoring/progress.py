"""How far a streaming query has come for good: its newest checkpoint, read from the checkpoint's own logs.

Spark writes `offsets/N` (where batch N ends) and `commits/N` once everything of the batch is done. So the offsets of the
greatest N that has a commit are exact: nothing before them is ever read again. Two small files are read; the query is not
asked, so any shell on the machine can tell, whether the query runs or not.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Progress:
    """A query's newest checkpoint.

    Attributes:
        batch: its number. at_ms: when it was made.
        positions: topic -> partition -> next offset.
    """

    batch: int
    at_ms: int
    positions: dict[str, dict[int, int]]


def newest(checkpoint: Path) -> Progress | None:
    """Return the newest checkpoint that a query made below a folder; None before the first.

    One that disappears while it is looked at was not the newest any more, and is looked for again.
    """
    for _ in range(3):
        batch = max((int(path.name) for path in checkpoint.glob("commits/[0-9]*") if path.name.isdigit()), default=None)
        if batch is None:
            return None
        try:
            lines = (checkpoint / "offsets" / str(batch)).read_text(encoding="utf-8").splitlines()
            at_ms = int((checkpoint / "commits" / str(batch)).stat().st_mtime * 1_000)
        except FileNotFoundError:
            continue
        return Progress(batch, at_ms, _positions(lines))
    return None


def _positions(lines: list[str]) -> dict[str, dict[int, int]]:
    """Return what the lines of an offset log say: its version, a line of settings, then one line a source."""
    positions: dict[str, dict[int, int]] = {}
    for line in lines[2:]:
        if line.startswith("{"):
            for topic, partitions in json.loads(line).items():
                positions[topic] = {int(partition): int(offset) for partition, offset in partitions.items()}
    return positions
