"""A split as it is recorded: its rows' hashes, the note beside the table, and whether the table still is that split.

The hash of a part (`train`, `test`, `embargo`) does not depend on the order of its rows. Each row counts as the content id
of its `prediction_key` and its `row_hash` (64 bits); the part's hash is their sum modulo 2^64, as 16 hexadecimal digits.
`row_hash` is Spark's xxhash64 of all that the training row held when it was split.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.errors import DataError
from lambda_core.schemas import tables
from lambda_core.schemas.ids import content_id, content_id_sql

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pyspark.sql import Column, DataFrame

    from lambda_core.context import RunContext

    Parts = dict[str, dict[str, Any]]
    """Split -> its number of `rows` and its `hash`."""


def row_hash(rows: DataFrame) -> Column:
    """Return the hash of all columns of training rows; a map counts by its text."""
    maps = {field.name for field in rows.schema.fields if field.dataType.typeName() == "map"}
    columns = [F.to_json(f"`{name}`") if name in maps else F.col(f"`{name}`") for name in sorted(rows.columns)]
    return F.xxhash64(*columns)


def hash_sum() -> Column:
    """Return the sum of the rows' hashes, over `prediction_key` and `row_hash`; take it to `hash_text`."""
    own = content_id_sql("array(prediction_key, cast(row_hash as string))")
    return F.sum(F.expr(f"cast(conv({own}, 16, 10) as decimal(20, 0))"))


def hash_text(total: Any) -> str:
    """Return a part's hash from the sum of its rows' hashes.

    Example:
        >>> hash_text(2**64 + 255)
        '00000000000000ff'
    """
    return f"{int(total) % 2**64:016x}"


def part_hash(rows: Iterable[tuple[str, int]]) -> str:
    """Return a part's hash in Python, from each row's (`prediction_key`, `row_hash`): for who checks a table by hand.

    Example:
        >>> part_hash([("a", 1), ("b", 2)]) == part_hash([("b", 2), ("a", 1)]) != part_hash([("a", 1), ("b", 3)])
        True
    """
    return hash_text(sum(int(content_id(key, own), 16) for key, own in rows))


def note(split_id: str, training_version: int, parts: Parts, warnings: Sequence[str]) -> str:
    """Return what is kept with the table's commit: the split's id, its origin, each part's hash, and what is uneven."""
    kept = {"split_id": split_id, "training_version": training_version, "parts": parts, "warnings": list(warnings)}
    return json.dumps(kept, sort_keys=True)


def recorded_split(context: RunContext, model: str) -> str:
    """Return the id of the model's recorded split, whose table is what was recorded.

    Raises:
        DataError: when the table holds none, or its rows are not those that were recorded.
    """
    name = tables.split(model)
    table, noted = context.tables.read(name), context.tables.note(name)
    if noted is None:  # written by other means than the stage: there is nothing to hold it to
        found = table.agg(F.max("split_id")).first()
        if found is None or found[0] is None:
            raise DataError(f"{name}: expected a recorded split, found no row; run the stage segregation")
        return str(found[0])
    recorded = json.loads(noted)
    parts = parts_of(table)
    if parts != recorded["parts"]:
        raise DataError(
            f"{name}: expected the rows of split {recorded['split_id']} as it was recorded, {recorded['parts']}; "
            f"found {parts}; run the stage segregation again"
        )
    return str(recorded["split_id"])


def parts_of(table: DataFrame) -> Parts:
    """Return rows and hash of each part of a split's table; one small row a part."""
    counted = table.groupBy("split").agg(F.count("*").alias("rows"), hash_sum().alias("sum")).collect()
    return {row["split"]: {"rows": row["rows"], "hash": hash_text(row["sum"])} for row in counted}
