"""Files into a raw table, in megabytes of files a second: our ingestion against stock Spark and the Rust Delta writer.

CSV and JSON lines, four columns of orders. Ours keeps each line as it came, with position, batch id and fingerprint, once
per content and however often it is asked; the peers parse the lines and append the columns. Each is a process of its own
that has ingested smaller files before. The rows are compared: of ours, the lines are parsed for it.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import duckdb

from benchmarks.harness import Row, arguments, publish
from benchmarks.systems.comparing import Peer, World, in_turn, ours, rows_of
from benchmarks.systems.drawn import draw_lines
from benchmarks.systems.peers import HERE, environment

SPARK, RUST = "Spark + Delta", "Polars + Rust deltalake"
LINES = {
    "csv": "[split_part(decode(value), ',', place) for place in [1, 2, 3, 4]]",
    "json": "[json_extract_string(decode(value), name) for name in ['number', 'shop', 'amount', 'at_ms']]",
}
PARSED = "select [number::varchar, shop, amount::varchar, at_ms::varchar] as texts from rows"
"""DuckDB's expression of the texts of number, shop, amount and at_ms in a line, by format."""


def main() -> None:
    """Measure, compare the rows, print and write the figures."""
    chosen = arguments(__doc__ or "")
    files, lines, rounds = (4, 100_000, 1) if chosen.quick else (8, 1_000_000, chosen.rounds)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        for form in LINES:
            warm, folder = Path(name) / f"warm-{form}", Path(name) / f"whole-{form}"
            draw_lines(warm, form, 2, 10_000)
            size_mb = draw_lines(folder, form, files, lines) / 1e6
            rows += measured(form, World(f"{form}, {size_mb:,.0f} MB", warm, folder, size_mb, "MB/s"), rounds)
    publish(rows, chosen.json)


def measured(form: str, world: World, rounds: int) -> list[Row]:
    """Return the rows of one format."""
    folders = (str(world.warm), str(world.folder))
    commands = {
        "ours": ours(form, world.warm, world.folder),
        SPARK: Peer(SPARK, "spark", form).command(world.warm, world.folder),
        RUST: [environment("deltalake"), str(HERE / "rust_delta.py"), form, *folders],
    }
    runs = in_turn(world, commands, rounds)
    mine = content(world.folder / "state" / "tables" / "raw_orders", f"select {LINES[form]} as texts from rows")
    made = {SPARK: world.folder / f"spark-{form}", RUST: world.folder / f"rust-{form}"}
    equal = {name: content(folder, PARSED) == mine for name, folder in made.items()}
    return rows_of(world, runs, equal)


def content(table: Path, texts: str) -> tuple[int, int]:
    """Return how many rows a new table has, and a hash of their values, whatever their order.

    Args:
        table: its folder.
        texts: DuckDB's query for the `texts` of number, shop, amount and at_ms of all `rows`.
    """
    values = "cast(texts[1] as bigint), texts[2], cast(texts[3] as double), cast(texts[4] as bigint)"
    query = (
        f"with rows as (select * from read_parquet('{table}/*.parquet')), parts as ({texts}) "
        f"select count(*), sum(hash({values})) from parts"
    )
    with duckdb.connect() as connection:
        count, total = connection.sql(query).fetchall()[0]
    return int(count), int(total)


if __name__ == "__main__":
    main()
