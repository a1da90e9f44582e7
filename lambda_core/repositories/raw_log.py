"""The part of a raw table that came from the source's topic: each position once, whoever brings it.

Two may bring it: the speed layer's raw writer, as records come, and ingestion, in ranges. Whoever appends holds the lock of
the table's log part and leaves out what is there. Both bring each partition without gaps, from its first record on: so what
is there is what lies below the greatest offset.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, cast

from filelock import FileLock
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from lambda_core.errors import PositionError
from lambda_core.repositories.cards import claim_card
from lambda_core.schemas.ids import content_id_sql
from lambda_core.schemas.tables import RAW_SCHEMA, raw

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql import Column, DataFrame

    from lambda_core.context import RunContext


class RawLog:
    """What a source's raw table has of its topic."""

    def __init__(self, context: RunContext, source: str) -> None:
        self._context = context
        self._table = raw(source)
        self._version: int | None = None

    def lock(self) -> FileLock:
        """Return the lock under which records of the topic are appended."""
        self._context.environment.tables.mkdir(parents=True, exist_ok=True)
        return FileLock(self._context.environment.tables / f".{self._table}.log.lock")

    def claim(self, topic: str, topic_id: str) -> None:
        """Remember the topic's id at the first call, beside the table.

        Raises:
            PositionError: when it is another one later: its positions would be those of other records in the table.
        """
        card = self._context.environment.tables / f".{self._table}.topic.json"
        owner = claim_card(card, {"topic": topic, "id": topic_id})
        if owner["id"] != topic_id:
            raise PositionError(
                f"table {self._table}: expected records of topic {owner['topic']} with id {owner['id']}, which it has, found "
                f"topic {topic} with id {topic_id}: it was made again, and its positions mean other records; give the new "
                "topic a source of its own"
            )

    def positions(self) -> dict[int, int]:
        """Return partition -> the offset that follows the table's last record of it; reads two columns of the table."""
        if not self._context.tables.exists(self._table):
            return {}
        of_log = self._context.tables.read(self._table).where(F.col("partition") >= 0)
        found = of_log.groupBy("partition").agg((F.max("offset") + 1).alias("next")).collect()
        return {int(row["partition"]): int(row["next"]) for row in found}

    def append(self, frame: DataFrame, transaction: tuple[str, int]) -> None:
        """Add those of the records, which are rows of the raw table, that it lacks; at most once a transaction.

        To look at what is there costs nothing as long as nobody else has written the table since the last call.
        """
        tables = self._context.tables
        with self.lock():
            version = tables.version(self._table) if tables.exists(self._table) else None
            if version is not None and version != self._version:
                frame = frame.where(_beyond(self.positions()))
            self._version = tables.append(self._table, frame, transaction=transaction)


def log_rows(frame: DataFrame, place: str, batch: str, now_ms: int) -> DataFrame:
    """Return a topic's records as rows of the raw table; one row a record, as it came.

    The fingerprint names the record's keys in any order, as that of a JSON file names those of its first line.

    Args:
        frame: one row a record: `value`, `partition`, `offset`, `append_time_ms`.
        place: the topic.
        batch: the batch's id.
        now_ms: when they are ingested.
    """
    keys = "sort_array(array_distinct(coalesce(json_object_keys(cast(value as string)), array())))"
    made = {
        "format": "json",
        "header": None,
        "fingerprint": F.expr(content_id_sql(keys)),
        "origin": "log",
        "place": place,
        "batch_id": batch,
        "ingest_time_ms": now_ms,
    }
    return raw_rows(frame, made)


@cache
def raw_schema() -> T.StructType:
    """Return the columns of a raw table; read by Spark's parser once, as every batch's commit names them."""
    return cast("T.StructType", T.StructType.fromDDL(RAW_SCHEMA))


def raw_rows(frame: DataFrame, made: Mapping[str, Any]) -> DataFrame:
    """Return the frame as rows of a raw table: what is made, each a value or an expression, all else as the frame has it."""
    columns = {name: F.lit(value) for name, value in made.items()}
    return frame.select(
        *(columns.get(f.name, F.col(f.name)).cast(f.dataType).alias(f.name) for f in raw_schema().fields)
    )


def _beyond(positions: Mapping[int, int]) -> Column:
    """Return the condition for a record to lie at or behind these next offsets, or on another partition."""
    beyond = ~F.col("partition").isin(*positions) if positions else F.lit(True)  # noqa: FBT003
    for partition, offset in positions.items():
        beyond |= (F.col("partition") == partition) & (F.col("offset") >= F.lit(offset))
    return beyond
