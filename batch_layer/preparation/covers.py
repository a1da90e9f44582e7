"""Ranges of places as nodes of a binary tree, and the reduction of a column over them. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

Array = np.ndarray
States = dict[str, Array]
"""Component -> its value for every asker; `n` is the number of values seen."""


@dataclass(frozen=True)
class Column:
    """Values with which of them are there. Integers, scaled integers, doubles or texts; absent ones hold anything."""

    values: Array
    present: Array

    def tree(self, size: int, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of every node: node i has the children 2i and 2i + 1, the leaves begin at `size`."""
        nodes = np.full(2 * size, neutral, dtype=self.values.dtype)
        nodes[size : size + len(self.values)] = np.where(self.present, self.values, neutral)
        while size > 1:
            nodes[size // 2 : size] = operation(nodes[size : 2 * size : 2], nodes[size + 1 : 2 * size : 2])
            size //= 2
        return nodes


@dataclass(frozen=True)
class Cover:
    """The nodes that make up each asker's range: pairs (asker, node), by asker; askers without events have none.

    Attributes:
        askers: how many there are. size: how many leaves the tree has; leaf i stands for place i.
        event_time_ms: of each place.
        events: how many events are in each asker's range.
    """

    askers: int
    size: int
    asker: Array
    node: Array
    event_time_ms: Array
    events: Array
    _known: dict[tuple[str, int], tuple[Column, Array]] = field(default_factory=dict, repr=False)

    def seen(self, column: Column) -> Array:
        """Return how many of the column's values are there in each asker's range."""
        if column.present.all():
            return self.events
        seen = Column(column.present.astype(np.int64), column.present)
        return self.once("seen", column, lambda: self.reduce(seen, np.add, 0))

    def once(self, what: str, column: Column, work: Callable[[], Array]) -> Array:
        """Return what several aggregations need of a column of the events, worked out for the first of them."""
        key = (what, id(column))
        if key not in self._known:
            self._known[key] = (column, work())  # with the column, whose id nothing else has as long as it is kept
        return self._known[key][1]

    def reduce(self, column: Column, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of the column over each asker's range; `neutral` where it is empty."""
        return self.gathered(column.tree(self.size, operation, neutral)[self.node], operation, neutral)

    def gathered(self, parts: Array, operation: np.ufunc, neutral: Any) -> Array:
        """Return the reduction of one part a pair over each asker's pairs; of rows, if the parts are rows."""
        out = np.full((self.askers, *parts.shape[1:]), neutral, dtype=parts.dtype)
        if len(parts):
            begins = self.begins
            out[self.asker[begins]] = operation.reduceat(parts, begins)
        return out

    @cached_property
    def begins(self) -> Array:
        """Return where each asker's pairs begin, of those that have any."""
        return np.flatnonzero(np.r_[True, self.asker[1:] != self.asker[:-1]])[: len(self.asker)]

    def leaves(self, node: int) -> tuple[int, int]:
        """Return the range of places `[begin, end)` that a node stands for."""
        level = self.size.bit_length() - int(node).bit_length()
        return (int(node) << level) - self.size, (int(node) + 1 << level) - self.size
