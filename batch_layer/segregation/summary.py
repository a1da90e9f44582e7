"""What one pass over the rows of a split tells: counts, hashes, and how far the sides reach in time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.recorded_split import hash_sum, hash_text
from batch_layer.segregation.evenness import SplitCount
from batch_layer.segregation.leaks import Span
from batch_layer.segregation.strategy import EMBARGO, TEST, TRAIN
from lambda_core.errors import GuardError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from batch_layer.recorded_split import Parts


@dataclass(frozen=True)
class Summary:
    """Counts, one a split and partition; rows and hash of each split; and the reach of training and test."""

    counts: tuple[SplitCount, ...]
    parts: Parts
    span: Span


def summarise(assigned: DataFrame, partition_by: str) -> Summary:
    """Return the summary; the driver is told a row a split and partition, not data.

    Args:
        assigned: one row an asking event: `prediction_key`, `row_hash`, `split`, `t_ms`, `label`, `label_known_ms` and
            the partition's column.
        partition_by: that column.

    Raises:
        GuardError: when a row has a split that does not exist.
    """
    found = (
        assigned.groupBy("split", F.col(partition_by).cast("string").alias("partition"))
        .agg(
            F.count("*").alias("rows"),
            F.count("label").alias("labelled"),
            F.coalesce(F.sum("label"), F.lit(0)).alias("positives"),
            hash_sum().alias("hash"),
            F.min("t_ms").alias("first_ms"),
            F.max("t_ms").alias("last_ms"),
            F.max("label_known_ms").alias("known_ms"),
        )
        .orderBy("split", "partition")
        .collect()
    )
    wrong = sorted({row["split"] for row in found} - {TRAIN, TEST, EMBARGO})
    if wrong:
        raise GuardError(f"split: expected {TRAIN}, {TEST}, {EMBARGO} or null for every row, found {', '.join(wrong)}")
    counts = tuple(
        SplitCount(row["split"], row["partition"], row["rows"], int(row["positives"]), row["labelled"]) for row in found
    )
    return Summary(counts, _parts(found), _span(found))


def _parts(found: Sequence[Any]) -> Parts:
    of_split: dict[str, list[Any]] = {}
    for row in found:
        of_split.setdefault(row["split"], []).append(row)
    return {
        split: {"rows": sum(row["rows"] for row in mine), "hash": hash_text(sum(row["hash"] for row in mine))}
        for split, mine in of_split.items()
    }


def _span(found: Sequence[Any]) -> Span:
    train, test = ([row for row in found if row["split"] == split] for split in (TRAIN, TEST))
    known = [row["known_ms"] for row in train if row["known_ms"] is not None]
    return Span(
        max((row["last_ms"] for row in train), default=None),
        max(known, default=None),
        min((row["first_ms"] for row in test), default=None),
    )
