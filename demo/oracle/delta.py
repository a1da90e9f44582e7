"""A Delta table's rows, from its log and its Parquet files, without Delta."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson
import polars as pl


def read(folder: Path, columns: list[str] | None = None) -> pl.DataFrame:
    """Return the rows of the table's newest version.

    Raises:
        ValueError: when commits are missing, or a file has a deletion vector or partition values: not read here.
    """
    commits = sorted((folder / "_delta_log").glob("[0-9]*.json"))
    numbers = [int(commit.stem) for commit in commits]
    if not numbers or numbers != list(range(len(numbers))):
        raise ValueError(f"{folder}: expected commits 0, 1, 2 and so on in _delta_log; found {numbers[:5]}")
    files: dict[str, None] = {}
    for commit in commits:
        for line in commit.read_bytes().splitlines():
            _apply(orjson.loads(line), files, folder)
    frames = [pl.read_parquet(folder / unquote(path), columns=columns, glob=False) for path in files]
    if not frames:
        raise ValueError(f"{folder}: expected rows, found a table without files")
    return pl.concat(frames, how="diagonal_relaxed")


def _apply(action: dict[str, Any], files: dict[str, None], folder: Path) -> None:
    if removed := action.get("remove"):
        files.pop(removed["path"], None)
    if added := action.get("add"):
        if added.get("deletionVector") or added.get("partitionValues"):
            raise ValueError(f"{folder}: {added['path']} has a deletion vector or partition values; not read here")
        files[added["path"]] = None
