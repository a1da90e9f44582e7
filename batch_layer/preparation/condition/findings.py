"""What is told of a batch: one sentence a finding, with what was expected, what was found, and what to do. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambda_core.config.condition import Check


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing about a batch that is not as it was.

    Attributes:
        where: the column; empty for the batch as a whole.
        expected, found, do: what the earlier batches let expect, what is there, what to do about it.
        measured, limit: the measure and what it went beyond, in the unit of its threshold.
        stops: whether it keeps the source from being prepared.
    """

    source: str
    batch: str
    check: Check
    where: str
    expected: str
    found: str
    do: str
    measured: float
    limit: float
    stops: bool = False

    @property
    def sentence(self) -> str:
        """Return it as one sentence: what, where, expected, found, what to do."""
        what = f"{self.where}: " if self.where else ""
        return (
            f"source {self.source}, batch {self.batch}: {what}expected {self.expected}, found {self.found}; {self.do}"
        )

    @property
    def weight(self) -> float:
        """Return how many times its limit was exceeded; what stops comes first."""
        return (1e6 if self.stops else 0.0) + (self.measured / self.limit if self.limit else 1e3)


def percent(share: float) -> str:
    """Return a share for people.

    Example:
        >>> percent(0.5), percent(0.0123), percent(0.0004)
        ('50 %', '1.2 %', '0.04 %')
    """
    per_cent = share * 100
    return f"{per_cent:.0f} %" if per_cent >= 10 or per_cent == int(per_cent) else f"{per_cent:.2g} %"
