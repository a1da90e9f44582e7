"""How far a source was prepared: noted with every version of its prepared table, so that only new records are prepared.

What a record becomes depends on that record alone, and of a unique key's copies the earlier ones on its partition decide.
So the rows of new records can be added to those of earlier ones, as long as everything that decides what a record becomes
is what it was: the source's declaration, the references that it looks up, the length of a period, and our own rules. With
anything else, and for references (where the newest record stands for its key), all of it is prepared anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

import msgspec

from lambda_core.cleaning.references import reference_hashes
from lambda_core.features.definition import digest, meaning
from lambda_core.schemas.tables import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.context import RunContext

RULES = 2
"""Raised by whoever changes what our own code makes of a record, so that nothing prepared before is kept."""


class Counts(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of a source's records: raw = accepted + quarantined + log_from + unique_key.

    Attributes:
        raw: records of the raw table, each position once.
        log_from, unique_key: declared duplicates, by rule.
        across_partitions: unique keys that several partitions hold.
    """

    raw: int = 0
    accepted: int = 0
    quarantined: int = 0
    log_from: int = 0
    unique_key: int = 0
    across_partitions: int = 0

    def __add__(self, other: Self) -> Counts:
        return Counts(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})

    @property
    def duplicates(self) -> int:
        """Return the number of declared duplicates."""
        return self.log_from + self.unique_key


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """What a prepared table holds.

    Attributes:
        made_by: identity of everything that decided what its records became.
        positions: partition -> next offset that is not in it; files are partition -1.
        counts: of all records up to there.
    """

    made_by: str
    positions: dict[int, int] = {}
    counts: Counts = Counts()

    def with_added(self, positions: Mapping[int, int], counts: Counts) -> Progress:
        """Return how far the table reaches with these records, up to these next offsets."""
        return Progress(made_by=self.made_by, positions={**self.positions, **positions}, counts=self.counts + counts)

    def forgotten(self) -> Progress:
        """Return the progress of a table that holds nothing."""
        return Progress(made_by=self.made_by)

    def note(self) -> str:
        """Return the note that the table's version is to be written with."""
        return msgspec.json.encode(self).decode()


def progress_of(context: RunContext, source: str) -> Progress:
    """Return how far the source was prepared by what decides now; nothing where it was by something else."""
    nothing, table = Progress(made_by=_made_by(context, source)), prepared(source)
    note = context.tables.note(table) if context.tables.exists(table) else None
    try:
        found = msgspec.json.decode(note or "", type=Progress)
    except msgspec.DecodeError:  # there is none, or it is of another kind
        return nothing
    return found if found.made_by == nothing.made_by else nothing


def beyond(positions: Mapping[int, int]) -> str:
    """Return the condition for a record to lie beyond these next offsets, on a partition of them or on any other.

    Example:
        >>> beyond({-1: 7})
        '((`partition` = -1 and `offset` >= 7L) or `partition` not in (-1))'
    """
    if not positions:
        return "true"
    later = " or ".join(
        f"(`partition` = {partition} and `offset` >= {next_}L)" for partition, next_ in positions.items()
    )
    return f"({later} or `partition` not in ({', '.join(map(str, positions))}))"


def _made_by(context: RunContext, source: str) -> str:
    declared = context.project.sources[source]
    if declared.kind == "reference":
        return ""
    return digest([meaning(declared), context.project.view.period_ms, reference_hashes(context, source), RULES])
