"""What a raw table has of the batches that ingestion brought: how many rows of each, and where the next one begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext

OFFLINE_PARTITION = -1
"""The partition of every record that no topic holds; its offset is a running number."""
_CURSOR = "@"
"""Stands between a place and how far it was read with a batch, in the column `place`."""


@dataclass
class Known:
    """What is in raw. It is read once under the source's lock, and told of each batch that comes in meanwhile.

    Attributes:
        rows: batch id -> its records in the table.
        next_offset: the running number of the next record.
        last: the places of the batches, the newest last.
    """

    rows: dict[str, int] = field(default_factory=dict)
    next_offset: int = 0
    last: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, context: RunContext, table: str) -> Self:
        """Return what the table has now; one small row a batch comes to the driver."""
        known = cls()
        if context.tables.exists(table):
            known._look(offline(context.tables.read(table)))
        return known

    def look_again(self, context: RunContext, table: str) -> None:
        """Look at what was appended since."""
        self._look(offline(context.tables.read(table)).where(F.col("offset") >= F.lit(self.next_offset)))

    def add(self, batch: str, place: str, rows: int, last_offset: int | None) -> None:
        """Note a batch that came in: its records, and the last one's running number; None where there is none."""
        self.rows[batch] = self.rows.get(batch, 0) + rows
        if last_offset is not None:
            self.next_offset = last_offset + 1
            self.last.append(place)

    def since(self, place: str) -> str | None:
        """Return the cursor of the newest batch of the place; None where there is none."""
        own = [one for one in self.last if one.startswith(f"{place}{_CURSOR}")]
        return own[-1].removeprefix(f"{place}{_CURSOR}") if own else None

    def _look(self, rows: DataFrame) -> None:
        batches = rows.groupBy("batch_id", "place").agg(
            F.count(F.lit(1)).alias("rows"), F.max("offset").alias("last_offset")
        )
        for row in sorted(batches.collect(), key=lambda row: row["last_offset"]):
            self.add(row["batch_id"], row["place"], row["rows"], row["last_offset"])


def offline(raw: DataFrame) -> DataFrame:
    """Return the rows of a raw table that no topic holds."""
    return raw.where(F.col("partition") == OFFLINE_PARTITION)


def place_of(place: str, cursor: str | None) -> str:
    """Return what the column `place` says of a batch.

    Example:
        >>> place_of("orders.csv", None), place_of("shop.orders", "42")
        ('orders.csv', 'shop.orders@42')
    """
    return place if cursor is None else f"{place}{_CURSOR}{cursor}"


def values_of(raw: DataFrame, place: str) -> DataFrame:
    """Return the records that a raw table has of a place that is read by cursors or whole; one row a record: `value`."""
    own = (F.col("place") == place) | F.col("place").startswith(f"{place}{_CURSOR}")
    return offline(raw).where(own).select("value")
