"""The files of the offline benchmarks, drawn by seed: orders and the moments that are asked about, Parquet or lines.

`orders/` and `asks/` below a folder, a file for each million rows. An order is (number, shop, amount, at_ms), an ask
(number, shop, at_ms), at that many milliseconds since 1970-01-01 UTC, `number` is the row's own.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq

T0 = 1_700_000_000_000 - 1_700_000_000_000 % 86_400_000
HOUR_MS = 3_600_000
SKEW = 2.5
"""Shop number floor(shops * u ** SKEW) for an even u: of 100,000 shops, the first has one order in a hundred."""
_A_FILE = 1_000_000
_HALF_DAY_MS = 12 * HOUR_MS


def draw_stream(folder: Path, number: int, shops: int) -> None:
    """Write orders of thirty days, spread unevenly over the shops, at whole seconds: equal times in a shop are common."""
    draw = np.random.default_rng(7)
    at = T0 + draw.integers(0, 30 * 86_400, number) * 1_000
    _write(folder / "orders", _skewed(draw, number, shops), _amounts(draw, number), at)


def draw_history(folder: Path, asks: int, shops: int, each: int) -> None:
    """Write two orders a day for each shop, `each` of them, and moments all over that time, unevenly over the shops.

    Orders happen at even milliseconds, one in each half of a day; what is asked about is an odd one, each another one.
    """
    draw = np.random.default_rng(8)
    half_day = np.arange(shops * each) // shops
    at = T0 + half_day * _HALF_DAY_MS + draw.integers(0, _HALF_DAY_MS // 2, shops * each) * 2
    _write(folder / "orders", np.arange(shops * each) % shops, _amounts(draw, shops * each), at)
    step_ms = each * _HALF_DAY_MS // asks
    asked = T0 + (draw.permutation(asks) * step_ms + draw.integers(0, step_ms // 2, asks) * 2) // 2 * 2 + 1
    _write(folder / "asks", _skewed(draw, asks, shops), None, asked)


def draw_lines(folder: Path, form: str, files: int, rows: int) -> int:
    """Write so many files of orders, `csv` with a header or `json`, below `data/`; return their size in bytes."""
    draw = np.random.default_rng(9)
    (folder / "data").mkdir(parents=True)
    size = 0
    for place in range(files):
        path = folder / "data" / f"orders-{place}.{form}"
        at = T0 + draw.integers(0, 30 * 86_400_000, rows)
        table = _table(place * rows, _skewed(draw, rows, 10_000), _amounts(draw, rows), at)
        if form == "csv":
            pyarrow.csv.write_csv(table, path, pyarrow.csv.WriteOptions(quoting_style="none"))
        else:
            path.write_bytes(_json_lines(table))
        size += path.stat().st_size
    return size


def _skewed(draw: np.random.Generator, number: int, shops: int) -> np.ndarray:
    return (shops * draw.random(number) ** SKEW).astype(np.int64)


def _amounts(draw: np.random.Generator, number: int) -> np.ndarray:
    return draw.integers(1, 1_000_000, number) / 100


def _table(first: int, shop: np.ndarray, amount: np.ndarray | None, at: np.ndarray) -> pa.Table:
    columns = {
        "number": pa.array(np.arange(first, first + len(at))),
        "shop": pc.binary_join_element_wise("shop", pa.array(shop).cast(pa.string()), ""),
        "amount": None if amount is None else pa.array(amount),
        "at_ms": pa.array(at),
    }
    return pa.table({name: column for name, column in columns.items() if column is not None})


def _write(folder: Path, shop: np.ndarray, amount: np.ndarray | None, at: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for first in range(0, len(at), _A_FILE):
        part = slice(first, first + _A_FILE)
        table = _table(first, shop[part], None if amount is None else amount[part], at[part])
        pq.write_table(table, folder / f"{first // _A_FILE:04}.parquet")


def _json_lines(table: pa.Table) -> bytes:
    columns = [table.column(name).to_pylist() for name in ("number", "shop", "amount", "at_ms")]
    line = '{{"number": {}, "shop": "{}", "amount": {}, "at_ms": {}}}\n'
    return "".join(line.format(*row) for row in zip(*columns, strict=True)).encode()
