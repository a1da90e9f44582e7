"""Numbers of events by cell: a histogram over declared bins or categories, its shares, and quantiles from it."""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal
from functools import cached_property
from typing import Any, Protocol

from lambda_core.features.aggregations.contract import (
    INTEGER,
    Aggregation,
    Moment,
    Number,
    Scalar,
    State,
    TypeName,
    Value,
)


class Cells(Protocol):
    """Where values are counted: every value that is not null has one cell."""

    @property
    def names(self) -> list[str]:
        """Return the cells' names, in the order of the counters."""
        ...

    def of(self, value: Any) -> int:
        """Return the cell of a component (a scaled integer for a decimal)."""
        ...

    def condition_sql(self, value: str, cell: int) -> str:
        """Return the Spark SQL for a component to lie in the cell; null where the component is."""
        ...


@dataclass(frozen=True)
class Bins:
    """Bins between ascending edges, in the column's unit: `[edge, next edge)`; below all of them, and from the last on.

    Exact values are compared with edges exactly, as the edges are written.
    """

    number: Number
    edges: tuple[float, ...]

    @cached_property
    def thresholds(self) -> list[Any]:
        """Return the edges as components: the smallest one that is not below the edge."""
        if not self.number.exact:
            return [float(edge) for edge in self.edges]
        scaled = (Decimal(repr(edge)).scaleb(self.number.scale) for edge in self.edges)
        return [int(edge.to_integral_value(ROUND_CEILING)) for edge in scaled]

    @property
    def names(self) -> list[str]:
        """Return `under`, the bins' numbers from 1 on, `over`."""
        return ["under", *(str(number) for number in range(1, len(self.edges))), "over"]

    def of(self, value: Any) -> int:
        """Return the value's cell."""
        return bisect_right(self.thresholds, value)

    def condition_sql(self, value: str, cell: int) -> str:
        """Return the Spark SQL for a component to lie in the cell."""
        above = [f"{value} >= {self._literal(edge)}" for edge in self.thresholds[cell - 1 : cell] if cell]
        below = [f"{value} < {self._literal(edge)}" for edge in self.thresholds[cell : cell + 1]]
        return " and ".join(above + below)

    def _literal(self, threshold: Any) -> str:
        return f"{threshold}BD" if self.number.exact else f"double('{threshold!r}')"


@dataclass(frozen=True)
class Categories:
    """Declared values, each of them a cell, and one cell for all others."""

    number: Number
    values: tuple[Scalar, ...]

    @cached_property
    def _cells(self) -> dict[Scalar, int]:
        return {value: cell for cell, value in enumerate(self.values)}

    @property
    def names(self) -> list[str]:
        """Return the numbers of the declared values from 1 on, and `other`."""
        return [*(str(number) for number in range(1, len(self.values) + 1)), "other"]

    def of(self, value: Any) -> int:
        """Return the value's cell."""
        return self._cells.get(value, len(self.values))

    def condition_sql(self, value: str, cell: int) -> str:
        """Return the Spark SQL for a component to be the cell's value."""
        if cell == len(self.values):
            return f"{value} not in ({', '.join(map(self._literal, self.values))})"
        return f"{value} = {self._literal(self.values[cell])}"

    def _literal(self, value: Scalar) -> str:
        if self.number.exact:
            return f"{value}BD"
        escaped = str(value).replace("\\", "\\\\").replace("'", "\\'")
        return f"'{escaped}'"


class Histogram(Aggregation):
    """Numbers of events whose column lies in each cell; None when no event had a value. Null values are not seen.

    Either over `bins`, the edges in the column's unit, ascending: the list has the number below the first edge, those of
    the bins `[edge, next edge)`, and that from the last edge on. Or over `categories`, the values themselves (of strings
    and integers): the list has their numbers in the order of declaration, and that of all others.

    The list answers who asks, and is part of no model's vector: `shares` and `quantiles` of the same state are.

    Args:
        number: the type of the values.
        bins: two edges or more. categories: one value or more, each once.

    Example:
        >>> histogram = Histogram(bins=(0, 10, 20))
        >>> histogram.finish(histogram.of(-1, 0, 9, 10, 20))
        [1, 2, 1, 1]
        >>> words = Histogram(Number("string"), categories=("red", "blue"))
        >>> words.finish(words.of("blue", "green", "Blue", "blue"))
        [0, 2, 2]
    """

    name = "histogram"
    numbers: tuple[TypeName, ...] = ("integer", "decimal", "float", "string")
    state_of = "histogram"
    takes = ("bins", "categories")
    answers: TypeName | None = "integer"
    gives_list = True

    def __init__(self, number: Number = INTEGER, bins: Sequence[float] = (), categories: Sequence[Scalar] = ()) -> None:
        super().__init__(number)
        self.cells: Cells = Bins(number, tuple(bins)) if bins else Categories(number, tuple(categories))
        self.parameters = (tuple(bins), tuple(categories))
        self.width = len(self.cells.names)
        self.components = "i" * self.width
        self.plan = ("i+",) * self.width

    def of(self, *values: Any) -> State:
        """Return the state of events with these components."""
        state: State = None
        for value in values:
            state = self.update(state, value, Moment(0, 0, 0))
        return state

    def lift(self, value: Any, moment: Moment) -> tuple[int, ...]:  # noqa: ARG002 - a histogram has no order
        """Return the state of one event."""
        cell = self.cells.of(value)
        return (0,) * cell + (1,) + (0,) * (self.width - cell - 1)

    def combine(self, left: tuple[int, ...], right: tuple[int, ...]) -> tuple[int, ...]:
        """Add the numbers of events, cell by cell."""
        return tuple(a + b for a, b in zip(left, right, strict=True))

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the number of each cell's events."""
        return None if state is None else list(state)

    def encode(self, state: State) -> list[str]:
        """Return the numbers as texts; empty for a cell without events."""
        return [""] * self.width if state is None else [str(count) if count else "" for count in state]

    def decode(self, texts: list[str]) -> State:
        """Return the state that `encode` was given."""
        return tuple(int(text) if text else 0 for text in texts) if any(texts) else None

    def aggregate_sql(self, given: str | None) -> list[str]:
        """Return the aggregate of each cell's number."""
        conditions = self._conditions(self.number.value_sql(str(given)))
        return [f"cast(nullif(count_if({condition}), 0) as string)" for condition in conditions]

    def _lift_sql(self, value: str, seen: str) -> list[str]:  # noqa: ARG002 - null is in no cell
        return [f"case when {condition} then '1' end" for condition in self._conditions(value)]

    def _conditions(self, value: str) -> list[str]:
        return [self.cells.condition_sql(value, cell) for cell in range(self.width)]


class CellShare(Histogram):
    """Share of a histogram's events that lie in one cell, 0 to 1; None when no event had a value.

    Example:
        >>> [name for name, _ in CellShare.made(INTEGER, {"bins": (0, 10)})]
        ['share_under', 'share_1', 'share_over']
        >>> share = CellShare(bins=(0, 10), cell=1)
        >>> share.finish(share.of(-5, 0, 9, 10))
        0.5
    """

    name = "shares"
    answers = "float"
    gives_list = False

    def __init__(
        self, number: Number = INTEGER, bins: Sequence[float] = (), categories: Sequence[Scalar] = (), cell: int = 0
    ) -> None:
        super().__init__(number, bins, categories)
        self.cell = cell

    @classmethod
    def made(cls, number: Number, settings: dict[str, Any]) -> list[tuple[str, Aggregation]]:
        """Return one share a cell, by its name."""
        names = Histogram(number, **settings).cells.names
        return [(f"share_{name}", cls(number, **settings, cell=cell)) for cell, name in enumerate(names)]

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the share."""
        return None if state is None else state[self.cell] / sum(state)


class Quantile(Histogram):
    """A quantile q of a column from its histogram over bins, in the column's unit; None when no event had a value.

    The rank q * n is looked for from below. Inside a bin its events are taken as spread evenly, so that the answer lies
    between the bin's edges in proportion; where the rank falls below the first edge, or beyond the last one, the answer
    is that edge. So it is as exact as the bins are narrow, whatever the order of events.

    Args:
        number: the type of the values. bins: see `Histogram`.
        quantile: q, 0 to 1.

    Example:
        >>> median = Quantile(bins=(0, 10, 20), quantile=0.5)
        >>> median.finish(median.of(1, 2, 3, 11)), median.finish(median.of(-7)), median.finish(median.of(99))
        (6.666666666666666, 0.0, 20.0)
        >>> [name for name, _ in Quantile.made(INTEGER, {"bins": (0, 1), "quantiles": (0.5, 0.999)})]
        ['p50', 'p99_9']
    """

    name = "quantiles"
    numbers = ("integer", "decimal", "float")
    takes = ("bins", "quantiles")
    needs = ("bins", "quantiles")
    answers = "float"
    gives_list = False

    def __init__(self, number: Number = INTEGER, bins: Sequence[float] = (), quantile: float = 0.5) -> None:
        super().__init__(number, bins)
        self.edges, self.quantile = tuple(float(edge) for edge in bins), quantile

    @classmethod
    def made(cls, number: Number, settings: dict[str, Any]) -> list[tuple[str, Aggregation]]:
        """Return one quantile a declared q, named by per cent."""
        return [(_per_cent(q), cls(number, settings["bins"], q)) for q in settings["quantiles"]]

    def finish(self, state: State, t_ms: int = 0) -> Value:  # noqa: ARG002 - the same at any moment
        """Return the quantile."""
        if state is None:
            return None
        rank, below = self.quantile * sum(state), 0
        for cell, count in enumerate(state):
            if count and below + count >= rank:
                if cell in (0, len(self.edges)):
                    return self.edges[min(cell, len(self.edges) - 1)]
                low, high = self.edges[cell - 1], self.edges[cell]
                return float(low + (rank - below) / count * (high - low))
            below += count
        return self.edges[-1]  # q * n was rounded up beyond n


def _per_cent(quantile: float) -> str:
    return f"p{(Decimal(repr(quantile)) * 100).normalize():f}".replace(".", "_")
