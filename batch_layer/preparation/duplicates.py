"""Events sent twice by their producer: copies with the same declared unique key.

The rule for events, over the copies of one key on one partition that are otherwise accepted, ordered by offset (a
source's files are one partition, -1):

    copy          append time   kept last   duplicate (horizon 60)
    (0, 1)        100           100         no: the first
    (0, 2)        130           100         yes: 130 - 100 <= 60
    (0, 9)        165           165         no: 165 - 100 > 60
    (0, 11)       160           165         yes: 160 - 165 <= 60
    (1, 4)        131           131         no: offsets of two partitions have no order, and so no first (told: across)

So what was kept of earlier records is all that later ones need to be judged by: they can be prepared as they come.

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

_KEPT_OF_PARTITION = """
    aggregate(own, slice(own, 1, 1), (kept, copy) ->
        if(copy.append_time_ms - element_at(kept, -1).append_time_ms <= {horizon_ms}L, kept, array_append(kept, copy)))
"""
_KEPT_EVENTS = f"""
    flatten(transform(
        transform(array_distinct(copies.partition), each -> filter(copies, copy -> copy.partition = each)),
        own -> {_KEPT_OF_PARTITION}))
"""
_NEW = "filter(copies, one -> one.new)"
_NOW_ACROSS = """
    size(array_distinct(copies.partition)) > 1 and size(array_distinct(filter(copies, one -> not one.new).partition)) <= 1
"""
_KEPT_REFERENCE = """
    slice(array_sort(copies, (left, right) ->
        case when left.append_time_ms > right.append_time_ms then -1
             when left.append_time_ms < right.append_time_ms then 1
             when left < right then -1 when left > right then 1 else 0 end), 1, 1)
"""


def later_copies(source: Source, frame: DataFrame, before: DataFrame | None = None) -> DataFrame:
    """Return the records whose unique key others have too, where that says something of them.

    1. Hashes of keys that occur more than once: few, and eight bytes each.
    2. The records of these keys, brought together: one row a key, its copies sorted by position.
    3. The copies that are kept, found by one pass over each partition's; all others are duplicates.

    Args:
        source: the declaration with `unique_key` and the horizon.
        frame: the source's records that are otherwise accepted: `unique_id`, positions, append times.
        before: in the same columns, what was kept of records that came earlier on each partition, of any keys.

    Returns:
        One row a record of the frame: `partition`, `offset`, `later` (whether it is a declared duplicate), and `across`
        (whether it is the first by which its key lies on several partitions); none where both are false.
    """
    copies = _copies(frame).withColumn("new", F.lit(True))  # noqa: FBT003 - a column's value
    if before is not None:
        copies = copies.unionByName(_known(before, copies))
    repeated = copies.groupBy("hash").agg(F.count(F.lit(1)).alias("times")).where("times > 1").select("hash")
    copy = F.struct("partition", "offset", "append_time_ms", "new")
    keys = (
        copies.join(repeated, "hash", "left_semi")
        .groupBy("unique_id")
        .agg(F.array_sort(F.collect_list(copy)).alias("copies"))
    )
    rule, across = (_KEPT_REFERENCE, "false") if source.kind == "reference" else (_KEPT_EVENTS, _NOW_ACROSS)
    judged = keys.selectExpr(
        "copies",
        f"{rule.format(horizon_ms=source.duplicate_horizon_ms)} as kept",
        f"if({across}, array_min({_NEW}), null) as first_across",
    ).selectExpr("kept", "first_across", f"explode({_NEW}) as copy")
    return judged.selectExpr(
        "copy.partition",
        "copy.offset",
        "not array_contains(kept, copy) as later",
        "coalesce(copy = first_across, false) as across",
    ).where("later or across")


def _copies(frame: DataFrame) -> DataFrame:
    return frame.where("unique_id is not null").select(
        "unique_id", "partition", "offset", "append_time_ms", F.xxhash64("unique_id").alias("hash")
    )


def _known(before: DataFrame, copies: DataFrame) -> DataFrame:
    """Return what was kept before of the keys that come again."""
    again = _copies(before).join(F.broadcast(copies.select("hash").distinct()), "hash", "left_semi")
    return again.withColumn("new", F.lit(False))  # noqa: FBT003 - a column's value
