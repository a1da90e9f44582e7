"""Training rows by what was known at each row's t: ours against Spark, DuckDB, Polars and Feast's offline join.

A world has shops with 50 or with 500 orders each, two a day, and asks all over that time, of which the first of 20,000
shops has one in fifty. Two cases over each:

- *windows*: count, sum, mean, least and greatest amount in the day and the seven days before each ask;
- *latest*: the newest amount of the seven days before it, which is what Feast's join answers.

Feast is given worlds of growing size, until one takes it more than ten minutes or twelve GiB; ours is measured on the
largest that it finished. Each system is a process of its own that has worked on a small world before; every row is
compared. The peak of memory of ours is told for both lengths of history, since it must not grow with it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from benchmarks.harness import Row, arguments, publish
from benchmarks.systems.comparing import Peer, World, in_turn, ours, prepare, rows_of, same_rows
from benchmarks.systems.drawn import draw_history
from benchmarks.systems.peers import HERE, environment
from benchmarks.systems.runs import Run, run

VALUES = ("count", "amount_sum", "amount_mean", "amount_min", "amount_max")
COLUMNS = {
    "windows": {
        "number": "number",
        **{f"{value}_{w}": f"windows__{value}_{w}" for w in ("1d", "7d") for value in VALUES},
    },
    "latest": {"number": "number", "amount_latest_7d": "latest__amount_latest_7d"},
}
HISTORIES = (50, 500)
FEAST = "Feast"
ASKS_A_SHOP = 50


def main() -> None:
    """Measure, compare the rows, print and write them."""
    chosen = arguments(__doc__ or "")
    asks, rounds = (20_000, 1) if chosen.quick else (1_000_000, chosen.rounds)
    sizes = [asks // 20, asks // 5, asks] if chosen.quick else [10_000, 50_000, 100_000, 250_000, 500_000, 1_000_000]
    rows: list[Row] = []
    peaks: dict[str, Run] = {}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        base = Path(name)
        warm = drawn(base / "warm", 5_000, 50)
        for each in HISTORIES:
            folder = drawn(base / f"each-{each}", asks, each)
            for case in COLUMNS:
                world = World(f"{case}, {asks:,} asks, {each} events a key", warm, folder, asks)
                found, own = measured(case, world, rounds)
                rows += found
                peaks[world.title] = own
            rows += against_feast(base, warm, each, sizes)
    for title, one in peaks.items():
        print(f"ours, {title}: {one.peak_mb:,.0f} MB at most, of it {one.jvm_mb:,.0f} JVM, {one.python_mb:,.0f} Python")
    publish(rows, chosen.json)


def drawn(folder: Path, asks: int, each: int) -> Path:
    """Draw a world of so many asks, and of a shop for each fifty; prepare it, and return its folder."""
    draw_history(folder, asks, asks // ASKS_A_SHOP, each)
    prepare(folder)
    return folder


def measured(case: str, world: World, rounds: int) -> tuple[list[Row], Run]:
    """Return the rows of one case, and the last run of ours."""
    peers = [
        Peer("Spark, range windows", "spark", case),
        Peer("Spark, range join", "spark", f"{case}-join"),
        Peer("DuckDB", "duckdb", case),
        Peer("Polars", "polars", case),
    ]
    commands = {peer.name: peer.command(world.warm, world.folder) for peer in peers}
    runs = in_turn(world, {"ours": ours(case, world.warm, world.folder), **commands}, rounds)
    equal = {
        peer.name: same_rows(made(world.folder, case), peer.made(world.folder), COLUMNS[case])
        for peer in peers
        if runs[peer.name][-1].seconds is not None
    }
    return rows_of(world, runs, equal), runs["ours"][-1]


def against_feast(base: Path, warm: Path, each: int, sizes: list[int]) -> list[Row]:
    """Return the row of the largest world that Feast finished; print where it stopped."""
    python, finished = environment("feast"), dict[int, tuple[Path, Run]]()
    for asks in sizes:
        folder = base / f"feast-{each}-{asks}"
        draw_history(folder, asks, asks // ASKS_A_SHOP, each)
        one = run(f"feast-{each}-{asks}", [python, str(HERE / "feast_join.py"), str(warm), str(folder)])
        if one.seconds is None:
            print(f"{FEAST}, {each} events a key: stopped at {asks:,} asks: {one.why}")
            break
        print(f"{FEAST}, {each} events a key: {asks:,} asks in {one.seconds:.1f} s, {one.peak_mb:,.0f} MB")
        finished[asks] = (folder, one)
    if not finished:
        return []
    asks, (folder, one) = max(finished.items())
    prepare(folder)
    world = World(f"latest, {asks:,} asks, {each} events a key", warm, folder, asks)
    runs = {**in_turn(world, {"ours": ours("latest", warm, folder)}, 1), FEAST: [one]}
    equal = same_rows(made(folder, "latest"), str(folder / "feast-latest" / "*.parquet"), COLUMNS["latest"])
    return rows_of(world, runs, {FEAST: equal})


def made(folder: Path, case: str) -> str:
    """Return the pattern of the files of our training rows."""
    return str(folder / "state" / "tables" / f"training_{case}" / "*.parquet")


if __name__ == "__main__":
    main()
