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
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""
