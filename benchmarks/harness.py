"""Runs two cases in turn, compares their results, prints a table, writes rows."""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


@dataclass(frozen=True)
class Row:
    """One comparison; `ratio` says how many times better ours is: above 1 is ahead.

    Attributes:
        ours, peer: medians, in `unit`. equal: whether both gave the same result.
    """

    case: str
    ours: float
    peer_name: str
    peer: float
    ratio: float
    unit: str
    equal: bool


def interleaved(ours: Callable[[], Any], peer: Callable[[], Any], rounds: int) -> tuple[float, float, bool]:
    """Run both in turn; return the median seconds of each, and whether their last results are equal."""
    seconds: tuple[list[float], list[float]] = ([], [])
    results: list[Any] = [None, None]
    for _ in range(rounds):
        for side, work in enumerate((ours, peer)):
            begin = time.perf_counter()
            results[side] = work()
            seconds[side].append(time.perf_counter() - begin)
    return statistics.median(seconds[0]), statistics.median(seconds[1]), results[0] == results[1]


def arguments(description: str) -> argparse.Namespace:
    """Return the arguments that every benchmark takes: `quick`, `rounds`, `json`; SIGTERM ends it with its servers."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="fewer rounds, smaller data")
    parser.add_argument("--rounds", type=int, default=2, help="rounds of a full run of the offline ones (2)")
    parser.add_argument("--json", type=Path, help="file for the rows")
    return parser.parse_args()


def publish(rows: Sequence[Row], file: Path | None) -> None:
    """Print the rows as a table, and write them where a file is named."""
    table = Table("case", "ours", "peer", "of the peer", "ratio", "unit", "equal")
    for row in rows:
        shown = [f"{number:,.4g}" for number in (row.ours, row.peer, row.ratio)]
        table.add_row(row.case, shown[0], row.peer_name, shown[1], shown[2], row.unit, str(row.equal))
    Console().print(table)
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps([asdict(row) for row in rows], indent=2) + "\n")
