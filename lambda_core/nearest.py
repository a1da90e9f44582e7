"""The hint that every sentence about a wrong name ends with."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def nearest(name: str, names: Iterable[str]) -> str:
    """Return a hint at the nearest valid name; empty when none is near.

    Example:
        >>> nearest("oders", ["orders", "items"]), nearest("x", ["orders"])
        ("; did you mean 'orders'?", '')
    """
    near = nearest_of(name, names)
    return "" if near is None else f"; did you mean {near!r}?"


def nearest_of(name: str, names: Iterable[str]) -> str | None:
    """Return the nearest of the names, whatever letters are capitals; None when none is near.

    Example:
        >>> nearest_of("Amount", ["count", "amount"]), nearest_of("x", ["orders"])
        ('amount', None)
    """
    folded = {one.casefold(): one for one in names}
    near = difflib.get_close_matches(name.casefold(), list(folded), n=1)
    return folded[near[0]] if near else None
