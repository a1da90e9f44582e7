"""The peer: features and point-in-time rows by Polars, the way its users write them. A program of its own; no code of ours.

`batch_polars.py CASE WARM FOLDER` works on the small folder, says `warm`, works on the other, and says how many seconds
that took. What it reads lies in `orders/` and `asks/`, Parquet; what it makes, in `polars-CASE`.
"""

import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import polars as pl
from warmly import work_warmly

DAY_MS = 86_400_000
WINDOWS = {"1d": DAY_MS, "7d": 7 * DAY_MS}
HOUR_MS = 3_600_000


def every(orders: pl.LazyFrame, _: pl.LazyFrame) -> pl.LazyFrame:
    """Return the features at every order: rolling over the shop's orders."""
    return orders.sort("shop", "at_ms").select("number", *rolled())


def windows(orders: pl.LazyFrame, asks: pl.LazyFrame) -> pl.LazyFrame:
    """Return the features at every ask: asks among the orders, rolling over both."""
    marked = [orders.with_columns(asked=pl.lit(value=False)), asks.with_columns(asked=pl.lit(value=True))]
    both = pl.concat(marked, how="diagonal").sort("shop", "at_ms")
    return both.select("asked", "number", *rolled()).filter("asked").drop("asked")


def latest(orders: pl.LazyFrame, asks: pl.LazyFrame) -> pl.LazyFrame:
    """Return the newest amount at every ask."""
    found = asks.sort("at_ms").join_asof(
        orders.select("shop", "at_ms", "amount").sort("at_ms"),
        on="at_ms",
        by="shop",
        strategy="backward",
        tolerance=WINDOWS["7d"],
        allow_exact_matches=False,
    )
    return found.select("number", amount_latest_7d="amount")


def tiles(orders: pl.LazyFrame, _: pl.LazyFrame) -> pl.LazyFrame:
    """Return the states of each shop and interval."""
    amount, start_ms = pl.col("amount"), pl.col("at_ms") - pl.col("at_ms") % HOUR_MS
    states = {"n": pl.len().cast(pl.Int64), "total": amount.sum(), "least": amount.min(), "greatest": amount.max()}
    return orders.group_by("shop", start_ms.alias("start_ms")).agg(**states, last=pl.col("at_ms").max())


def rolled() -> list[pl.Expr]:
    """Return the features over `[at_ms - length, at_ms)` of rows that are sorted by shop and time."""
    amount, made = pl.col("amount"), []
    for name, length_ms in WINDOWS.items():
        reach = {"window_size": f"{length_ms}i", "closed": "left"}
        counted = amount.is_not_null().cast(pl.Int64).rolling_sum_by("at_ms", **reach).fill_null(0)
        values = {
            f"count_{name}": counted,
            # Of nothing, Polars says 0: here, as in SQL, there is no sum then.
            f"amount_sum_{name}": pl.when(counted > 0).then(amount.rolling_sum_by("at_ms", **reach)),
            f"amount_mean_{name}": amount.rolling_mean_by("at_ms", **reach),
            f"amount_min_{name}": amount.rolling_min_by("at_ms", **reach),
            f"amount_max_{name}": amount.rolling_max_by("at_ms", **reach),
        }
        made += [value.over("shop").alias(each) for each, value in values.items()]
    return made


CASES: dict[str, Callable[[pl.LazyFrame, pl.LazyFrame], pl.LazyFrame]] = {
    "every": every,
    "windows": windows,
    "latest": latest,
    "tiles": tiles,
}


def work(case: str, folder: Path, out: Path) -> None:
    """Make the rows of a case."""
    orders, asks = (pl.scan_parquet(folder / name / "*.parquet") for name in ("orders", "asks"))
    CASES[case](orders, asks).collect().write_parquet(out / "rows.parquet")


def main() -> None:
    """Work on the small folder, then on the other."""
    case, *folders = sys.argv[1:]
    work_warmly(folders, f"polars-{case}", partial(work, case))


if __name__ == "__main__":
    main()
