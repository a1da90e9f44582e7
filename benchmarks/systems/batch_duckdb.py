"""The peer: features and point-in-time rows by DuckDB, the way its users write them. A program of its own; no code of ours.

`batch_duckdb.py CASE WARM FOLDER` works on the small folder, says `warm`, works on the other, and says how many seconds
that took. What it reads lies in `orders/` and `asks/`, Parquet; what it makes, in `duckdb-CASE`.
"""

import sys
from functools import partial
from pathlib import Path

import duckdb
from warmly import work_warmly

DAY_MS = 86_400_000
WINDOWS = {"1d": DAY_MS, "7d": 7 * DAY_MS}
HOUR_MS = 3_600_000


def features(window: str) -> str:
    """Return the features of a window, named."""
    values = {"sum": "sum(amount)", "mean": "avg(amount)", "min": "min(amount)", "max": "max(amount)"}
    counted = f'count(amount) over "{window}" as count_{window}'
    return ", ".join(
        [counted, *(f'{value} over "{window}" as amount_{kind}_{window}' for kind, value in values.items())]
    )


def ranges() -> str:
    """Return the windows of a shop's rows before one, by time."""
    named = (
        f'"{name}" as (partition by shop order by at_ms range between {length_ms} preceding and 1 preceding)'
        for name, length_ms in WINDOWS.items()
    )
    return f"window {', '.join(named)}"


ALL = ", ".join(features(name) for name in WINDOWS)
CASES = {
    "every": f"select number, {ALL} from orders {ranges()}",
    "windows": (
        "with both_kinds as (select true as asked, number, shop, cast(null as double) as amount, at_ms from asks "
        "union all select false, number, shop, amount, at_ms from orders) "
        f"select * exclude asked from (select asked, number, {ALL} from both_kinds {ranges()}) where asked"
    ),
    "latest": (
        f"select asks.number, case when orders.at_ms >= asks.at_ms - {WINDOWS['7d']} then amount end as amount_latest_7d "
        "from asks asof left join orders on asks.shop = orders.shop and asks.at_ms > orders.at_ms"
    ),
    "tiles": (
        f"select shop, at_ms - at_ms % {HOUR_MS} as start_ms, count(*) as n, sum(amount) as total, min(amount) as least, "
        "max(amount) as greatest, max(at_ms) as last from orders group by all"
    ),
}


def work(case: str, folder: Path, out: Path) -> None:
    """Make the rows of a case."""
    with duckdb.connect() as connection:
        connection.execute(f"set temp_directory = '{folder / 'duckdb-temp'}'; set preserve_insertion_order = false")
        for name in ("orders", "asks"):
            if (folder / name).exists():
                connection.execute(f"create view {name} as select * from read_parquet('{folder / name}/*.parquet')")
        connection.execute(f"copy ({CASES[case]}) to '{out / 'rows.parquet'}' (format parquet)")


def main() -> None:
    """Work on the small folder, then on the other."""
    case, *folders = sys.argv[1:]
    work_warmly(folders, f"duckdb-{case}", partial(work, case))


if __name__ == "__main__":
    main()
