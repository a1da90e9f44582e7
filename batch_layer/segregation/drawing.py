"""A row's lot: a number that looks drawn, and is a function of a seed and the row's own key alone.

So a row has the same lot in every run, however Spark parts and orders rows, and whichever other rows there are. Python
and Spark SQL render the same lot.
"""

from __future__ import annotations

from batch_layer.segregation.strategy import TEST, TRAIN
from lambda_core.schemas.ids import content_id, content_id_sql

_DIGITS = 13
"""Hexadecimal digits that a 64-bit float holds exactly."""


def lot(seed: int, key: str) -> float:
    """Return a number in [0, 1), evenly spread over keys.

    Example:
        >>> [round(lot(7, key), 2) for key in ("a", "b", "c", "d")]
        [0.74, 0.39, 0.85, 0.0]
    """
    return int(content_id(seed, key)[:_DIGITS], 16) / 16.0**_DIGITS


def lot_sql(seed: int, key: str) -> str:
    """Return the Spark SQL of `lot`, for the Spark SQL of a text."""
    digits = f"left({drawn_sql(seed, key)}, {_DIGITS})"
    return f"(cast(conv({digits}, 16, 10) as bigint) / {16**_DIGITS}D)"


def split_by_lot_sql(seed: int, key: str, train: float) -> str:
    """Return the Spark SQL of the split of who has this key: it trains if its lot is below the share."""
    return f"case when {lot_sql(seed, key)} < {train!r}D then '{TRAIN}' else '{TEST}' end"


def drawn_sql(seed: int, key: str) -> str:
    """Return the Spark SQL of the 16 hexadecimal digits that the lot is read off; they sort as lots do."""
    return content_id_sql(f"array('{seed}', {key})")
