"""The contract of a transformation: new values out of values that are there before, of many vectors at once. Pure.

What a vector gets depends on its own values alone, whatever vectors stand beside it: training rows are worked out by the
thousand, an answer by itself, and both have to have the same bits. Sums, quotients and comparisons are rounded alike by every
processor; of logarithms and sines numpy chooses the code by the processor, so `each` takes the C library's, one by one.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from lambda_core.features.catalogue import Range

Kind = Literal["integer", "float"]
"""64-bit integers, or finite doubles."""
_INT64 = 2**63


class Column(NamedTuple):
    """One value of many vectors.

    Attributes:
        values: 64-bit integers or doubles, one a vector; anything where nothing is there.
        present: which of them are there.
    """

    values: NDArray[Any]
    present: NDArray[np.bool_]

    @classmethod
    def of(cls, given: Sequence[Any], kind: Kind) -> Column:
        """Return the column of plain values; what is no number of this type (`number_of`) is not there.

        Example:
            >>> Column.of([3, None, 2.5], "integer")
            Column(values=array([3, 0, 0]), present=array([ True, False, False]))
        """
        numbers = [number_of(value, kind) for value in given]
        values = np.array([number or 0 for number in numbers], dtype=np.int64 if kind == "integer" else np.float64)
        return cls(values, np.array([number is not None for number in numbers], dtype=bool))

    @property
    def is_whole(self) -> bool:
        """Tell whether the values are integers."""
        return self.values.dtype.kind == "i"

    def floats(self) -> NDArray[np.float64]:
        """Return the values as doubles: integers beyond 53 bits are rounded."""
        return self.values.astype(np.float64, copy=False)


class Transformation(ABC):
    """Makes new values of a vector. It is made with the parameters of the settings as keyword arguments.

    A user's own class derives from this one, is named in the settings by its dotted path, and must be importable where
    Spark runs tasks and where requests are answered. A result that is no finite number is not there, whatever it says.

    Attributes:
        takes: how many values it is given.
        endings: one a result: what it is called behind the step's name.
        keeps_unit: whether its results are in the unit of what it is given.
    """

    takes: int = 1
    endings: tuple[str, ...] = ("",)
    keeps_unit: bool = False

    def kinds(self, given: Sequence[Kind]) -> Sequence[Kind]:  # noqa: ARG002 - others look at it
        """Return the type of each result over values of these types; by default doubles.

        Raises:
            ConfigError: when the parameters do not fit such values.
        """
        return ["float"] * len(self.endings)

    def ranges(self, given: Sequence[Range]) -> Sequence[Range]:  # noqa: ARG002 - others look at it
        """Return the range of each result over values of these ranges, for the catalogue; by default anything."""
        return [(None, None)] * len(self.endings)

    @abstractmethod
    def apply(self, given: Sequence[Column]) -> Sequence[Column]:
        """Return a column a result, in the types of `kinds`; each vector's from its own values alone."""


def number_of(value: Any, kind: Kind) -> int | float | None:
    """Return a value as a number of this type; None where it is not there, or is no such number.

    Example:
        >>> [number_of(value, "integer") for value in (True, 3.0, 2.5, 2**63, "3", None)]
        [1, 3, None, None, None, None]
        >>> [number_of(value, "float") for value in (Decimal(2), -0.0, float("nan"), 10**400)]
        [2.0, 0.0, None, None]
    """
    if not isinstance(value, int | float | Decimal | np.integer | np.floating):
        return None
    try:
        number = float(value) if kind == "float" else int(value)
    except (OverflowError, ValueError):  # no finite number
        return None
    if kind == "float":
        return number + 0.0 if math.isfinite(number) else None
    return number if number == value and -_INT64 <= number < _INT64 else None


def settled(column: Column, kind: Kind) -> Column:
    """Return a result as it stands in the vector: of its type, and finite and not -0 where it is there."""
    if kind == "integer":
        return Column(column.values.astype(np.int64, copy=False), column.present)
    values = column.values.astype(np.float64, copy=False)
    return Column(values + 0.0, column.present & np.isfinite(values))


def each(function: Callable[[float], float], column: Column) -> NDArray[np.float64]:
    """Return the function of each number that is there, by plain Python; else 0."""
    found = np.zeros(len(column.values), dtype=np.float64)
    there = column.floats()[column.present].tolist()
    found[column.present] = np.fromiter(map(function, there), np.float64, len(there))
    return found
