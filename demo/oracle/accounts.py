"""Nothing unaccounted: for every source, what was produced, is in raw, and became of it, by the oracle's own reading."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import polars as pl

ACCOUNT = ("rows_in", "raw", "accepted", "quarantined", "duplicates")


@dataclass(frozen=True)
class Account:
    """One source's account: rows_in = raw = accepted + quarantined + duplicates; copies are declared by a rule."""

    rows_in: int
    raw: int
    accepted: int
    quarantined: int
    duplicates: int

    @property
    def exact(self) -> bool:
        """Tell whether nothing is missing and nothing is too many."""
        return self.rows_in == self.raw == self.accepted + self.quarantined + self.duplicates


def accounts(records: Mapping[str, pl.DataFrame], data: Path, produced: Mapping[str, int]) -> dict[str, Account]:
    """Return the account of every source.

    Args:
        records: what the oracle read of each raw table.
        data: folder of the source files, whose lines are counted here.
        produced: messages that the producer says it has sent, by source.
    """
    found = {}
    for source, frame in records.items():
        quarantined = frame.height - frame["reason"].null_count()
        duplicates = frame.height - frame["duplicate"].null_count()
        rows_in = lines_of(data / f"{source}.csv") + produced.get(source, 0)
        found[source] = Account(rows_in, frame.height, frame.height - quarantined - duplicates, quarantined, duplicates)
    return found


def lines_of(path: Path) -> int:
    """Return the number of records in a CSV file with a header; 0 where there is no file."""
    if not path.exists():
        return 0
    with path.open("rb") as lines:
        return max(sum(1 for line in lines if line.strip()) - 1, 0)


def disagreements(own: Mapping[str, Account], reported: Mapping[str, Mapping[str, int]]) -> list[str]:
    """Return a sentence for each figure of the product's report that is not the oracle's.

    The product cannot know what was sent to it, so `rows_in` is not asked of it.
    """
    found = []
    for source, account in own.items():
        for name, expected in asdict(account).items():
            said = reported.get(source, {}).get(name)
            if said != expected and name != "rows_in":
                found.append(f"{source}.{name}: expected {expected}, the product reports {said}")
    return found
