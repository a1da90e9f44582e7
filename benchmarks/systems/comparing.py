"""Offline systems side by side: runs in turn, and whether what they made is equal, row by row."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import duckdb

from benchmarks.harness import Row
from benchmarks.systems.processes import ROOT, python
from benchmarks.systems.runs import Run, run, show

if TYPE_CHECKING:
    from pathlib import Path

NEAR = 1e-9
"""How far floating sums and means may be from each other, as a part of the greater; all else is equal to the last bit."""


@dataclass(frozen=True)
class Peer:
    """A peer in a case.

    Attributes:
        name: how it is called in the table. system: `spark`, `duckdb`, ...: the first part of the folder of what it makes.
        case: what its program calls the case.
    """

    name: str
    system: str
    case: str

    def command(self, warm: Path, folder: Path) -> list[str]:
        """Return the command that runs it by this Python."""
        jars = [":".join(str(jar) for jar in sorted((ROOT / ".jars" / "spark").glob("*.jar")))]
        program = str(ROOT / "benchmarks" / "systems" / f"batch_{self.system}.py")
        return python(program, self.case, str(warm), str(folder), *(jars if self.system == "spark" else []))

    def made(self, folder: Path) -> str:
        """Return the pattern of the files that it makes."""
        return str(folder / f"{self.system}-{self.case}" / "*.parquet")


@dataclass(frozen=True)
class World:
    """What a case works on: a small folder to get warm on, the measured one, and how much that is.

    Attributes:
        amount: what the measured folder holds, in `unit` times seconds: rows or megabytes.
    """

    title: str
    warm: Path
    folder: Path
    amount: float
    unit: str = "rows/s"


def ours(case: str, *folders: Path) -> list[str]:
    """Return the command of our own program."""
    return python("-m", "benchmarks.systems.batch_ours", case, *map(str, folders))


def prepare(*folders: Path) -> None:
    """Write what was drawn as our prepared tables.

    Raises:
        RuntimeError: when that failed.
    """
    done = run("ours-prepare", ours("prepare", *folders))
    if done.seconds is None:
        raise RuntimeError(f"tables were not prepared: {done.why}")


def in_turn(world: World, commands: dict[str, list[str]], rounds: int) -> dict[str, list[Run]]:
    """Run each command, one after the other, so many times over; a system that was stopped is not run again."""
    runs: dict[str, list[Run]] = defaultdict(list)
    for _ in range(rounds):
        for name, command in commands.items():
            if all(one.seconds is not None for one in runs[name]):
                log = f"{world.title}-{name}".replace(" ", "-").replace(",", "")
                runs[name].append(run(log, command))
    show(world.title, runs)
    return runs


def rows_of(world: World, runs: dict[str, list[Run]], equal: dict[str, bool]) -> list[Row]:
    """Return a row a peer that finished; `ours` is the other side."""
    speeds = {
        name: world.amount / statistics.median(one.seconds for one in own if one.seconds is not None)
        for name, own in runs.items()
        if all(one.seconds is not None for one in own)
    }
    mine = speeds.pop("ours")
    return [
        Row(world.title, mine, name, speed, mine / speed, world.unit, equal[name]) for name, speed in speeds.items()
    ]


def same_rows(ours: str, peer: str, columns: dict[str, str]) -> bool:
    """Tell whether both sides have the same rows, `number` by `number`.

    Args:
        ours: pattern of our Parquet files.
        peer: pattern of the peer's.
        columns: what ours calls a value (an expression), by what the peer calls it.
    """
    tests = " and ".join(f'o."{name}" is not distinct from p."{name}"' for name in columns if not _is_near(name))
    near = (
        f'coalesce(abs(o."{name}" - p."{name}") <= {NEAR} * greatest(abs(o."{name}"), abs(p."{name}")), '
        f'o."{name}" is null and p."{name}" is null)'
        for name in columns
        if _is_near(name)
    )
    mine = ", ".join(f'{value} as "{name}"' for name, value in columns.items())
    query = (
        f"select count(*), count(*) filter (where not coalesce({' and '.join([tests, *near])}, false)) "
        f"from (select {mine} from read_parquet('{ours}')) o full join read_parquet('{peer}') p "
        f"on {' and '.join(f'o.{key} = p.{key}' for key in _keys(columns))}"
    )
    with duckdb.connect() as connection:
        rows, different = connection.sql(query).fetchall()[0]
    if different or not rows:
        print(f"{peer}: {different:,} of {rows:,} rows are not ours")
    return bool(rows) and not different


def _keys(columns: dict[str, str]) -> list[str]:
    return ["number"] if "number" in columns else ["shop", "start_ms"]


def _is_near(name: str) -> bool:
    return any(kind in name for kind in ("sum", "mean", "total"))
