"""The peer: files into a Delta table by Polars and the Rust writer, from an environment of its own. A program; no code of ours.

`rust_delta.py CASE WARM FOLDER` (`csv` or `json`) works on the small folder, says `warm`, works on the other, and says how
many seconds that took. What it reads lies in `data/`; what it makes is in `rust-CASE`.
"""

import sys
from pathlib import Path

import polars as pl
from deltalake import write_deltalake
from warmly import work_warmly

SCHEMA = {"number": pl.Int64, "shop": pl.String, "amount": pl.Float64, "at_ms": pl.Int64}


def read(case: str, folder: Path) -> pl.DataFrame:
    """Return the rows of all files."""
    if case == "csv":
        return pl.read_csv(folder / "data" / "*.csv", schema=SCHEMA)
    return pl.concat([pl.read_ndjson(path, schema=SCHEMA) for path in sorted((folder / "data").glob("*.json"))])


def main() -> None:
    """Work on the small folder, then on the other."""
    case, *folders = sys.argv[1:]
    work_warmly(
        folders, f"rust-{case}", lambda folder, out: write_deltalake(str(out), read(case, folder), mode="append")
    )


if __name__ == "__main__":
    main()
