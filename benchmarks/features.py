"""Windowed features over a long table of events: ours against Spark's range windows, DuckDB and Polars.

Three cases over orders, of which the first shop has one in a hundred, or where shops are few one in forty:

- *a row an event*: count, sum, mean, least and greatest amount in the day and in the seven days before each order, as
  training rows have them; Spark's windows also by the segment tree that it can be told to keep;
- *a row an event, few shops*: the same where each has ten times as many;
- *tiles*: the states of each shop and hour, as a publication makes them.

Each system reads Parquet files (ours: the Delta table of prepared rows) and writes them (ours: a Delta table), in a process
of its own that has worked on a smaller table before. Every row is compared: counts and extremes are equal to the last bit,
floating sums and means within 1e-9.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Row, arguments, publish
from benchmarks.systems.comparing import Peer, World, in_turn, ours, prepare, rows_of, same_rows
from benchmarks.systems.drawn import draw_stream

VALUES = ("count", "amount_sum", "amount_mean", "amount_min", "amount_max")
EVERY = {"number": "number"} | {f"{value}_{w}": f"windows__{value}_{w}" for w in ("1d", "7d") for value in VALUES}
TILES = {
    "shop": "entity",
    "start_ms": "tile_start_ms",
    "n": "cast(row[1] as bigint)",
    "total": "cast(row[2] as double)",
    "least": "cast(row[5] as double)",
    "greatest": "cast(row[6] as double)",
    "last": "last_event_ms",
}
"""What the peers' columns are in ours: a tile's row has count, sum, then number and sum of the mean, least and greatest."""
SYSTEMS = ("spark", "duckdb", "polars")
CASES = {
    "a row an event": ("every", 100, "training_every", EVERY, SYSTEMS),
    "a row an event, few shops": ("every", 1_000, "training_every", EVERY, ("spark-tree", *SYSTEMS)),
    "tiles": ("tiles", 100, "tiles_windows", TILES, SYSTEMS[1:]),
}
"""What is made, events a shop, our table, its columns, and the peers."""
NAMES = {
    "spark": "Spark, range windows",
    "spark-tree": "Spark, segment tree",
    "duckdb": "DuckDB",
    "polars": "Polars",
}


def main() -> None:
    """Measure, compare the rows, print and write them."""
    chosen = arguments(__doc__ or "")
    number, rounds = (500_000, 1) if chosen.quick else (10_000_000, chosen.rounds)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        warm = Path(name) / "warm"
        draw_stream(warm, 50_000, 500)
        folders = {each: Path(name) / f"each-{each}" for _, each, *_ in CASES.values()}
        for each, folder in folders.items():
            draw_stream(folder, number, number // each)
        prepare(warm, *folders.values())
        for title, (case, each, table, columns, systems) in CASES.items():
            folder = folders[each]
            made = str(folder / "state" / "tables" / table / "*.parquet")
            world = World(f"{title}, {number:,} events", warm, folder, number)
            rows += measured(case, world, made, columns, systems, rounds)
            publish(rows, chosen.json)


def measured(
    case: str, world: World, made: str, columns: dict[str, str], systems: tuple[str, ...], rounds: int
) -> list[Row]:
    """Return the rows of one case."""
    peers = {NAMES[system]: _peer(system, case) for system in systems}
    commands = {name: peer.command(world.warm, world.folder) for name, peer in peers.items()}
    runs = in_turn(world, {"ours": ours(case, world.warm, world.folder), **commands}, rounds)
    finished = {name: peer for name, peer in peers.items() if runs[name][-1].seconds is not None}
    equal = {name: same_rows(made, peer.made(world.folder), columns) for name, peer in finished.items()}
    return rows_of(world, runs, equal)


def _peer(system: str, case: str) -> Peer:
    program, _, variant = system.partition("-")
    return Peer(NAMES[system], program, f"{case}-{variant}" if variant else case)


if __name__ == "__main__":
    main()
