"""Events sent twice by their producer: copies with the same declared unique key.

The rule for events, over the copies of one key that are otherwise accepted, ordered by (partition, offset), so that
files (-1) come before the log:

    copy          append time   kept last   duplicate (horizon 60)
    (-1, 7)       100           100         no: the first
    ( 0, 2)       130           100         yes: 130 - 100 <= 60
    ( 0, 9)       165           165         no: 165 - 100 > 60
    ( 0, 11)      160           165         yes: 160 - 165 <= 60

For a reference, the newest append time stands for the key, and of several records with it the first by position:
a file that is sent again, corrected, takes the place of what it corrects.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.config.sources import Source

UNIQUE_KEY = "unique_key"
"""The name of the rule, in `duplicate` of a prepared table."""

_KEPT_EVENTS = """
    aggregate(copies, slice(copies, 1, 1), (kept, copy) ->
        if(copy.append_time_ms - element_at(kept, -1).append_time_ms <= {horizon_ms}L, kept, array_append(kept, copy)))
"""
_KEPT_REFERENCE = """
    slice(array_sort(copies, (left, right) ->
        case when left.append_time_ms > right.append_time_ms then -1
             when left.append_time_ms < right.append_time_ms then 1
             when left < right then -1 when left > right then 1 else 0 end), 1, 1)
"""


def later_copies(source: Source, frame: DataFrame) -> DataFrame:
    """Return the positions of the records that are declared duplicates by their unique key.

    1. Hashes of keys that occur more than once: few, and eight bytes each.
    2. The records of these keys, brought together: one row a key, its copies sorted by position.
    3. The copies that are kept, found by one pass over each key's; all others are duplicates.

    Args:
        source: the declaration with `unique_key` and the horizon.
        frame: the source's records that are otherwise accepted: `unique_id`, positions, append times.

    Returns:
        One row a duplicate: `partition`, `offset`, and `across` (whether its key lies on several partitions).
    """
    copies = frame.where("unique_id is not null").select(
        "unique_id", "partition", "offset", "append_time_ms", F.xxhash64("unique_id").alias("hash")
    )
    repeated = copies.groupBy("hash").agg(F.count(F.lit(1)).alias("times")).where("times > 1").select("hash")
    copy = F.struct("partition", "offset", "append_time_ms")
    keys = (
        copies.join(repeated, "hash", "left_semi")
        .groupBy("unique_id")
        .agg(F.array_sort(F.collect_list(copy)).alias("copies"))
    )
    rule = _KEPT_REFERENCE if source.kind == "reference" else _KEPT_EVENTS
    kept = F.expr(rule.format(horizon_ms=source.duplicate_horizon_ms))
    several = F.expr("exists(copies, copy -> copy.partition <> copies[0].partition)")
    later = keys.select("copies", kept.alias("kept"), several.alias("across")).selectExpr(
        "across", "inline(array_except(copies, kept))"
    )
    return later.select("partition", "offset", "across")
