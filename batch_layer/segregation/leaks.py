"""Does what trains know of what tests? By the border in time where there is one, and by the entities that they share.

A training row leaks into a test row of the same entity, with the label known at the latest `delay` after t, when

- it lies after it, and the test row's label was still open (`test t <= train t < test t + delay`): what becomes of the
  test row is in the training row's window; or
- it lies before it, and its own label was still open, or told, after the test row asked (`train t <= test t < train t +
  delay`, or `train label_known >= test t`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql.window import Window

from batch_layer.segregation.strategy import TEST, TRAIN

if TYPE_CHECKING:
    from pyspark.sql import DataFrame


@dataclass(frozen=True)
class Span:
    """How far the two sides reach in time, in milliseconds since 1970-01-01 UTC; None: a side without rows or labels."""

    last_train_ms: int | None
    last_known_ms: int | None
    first_test_ms: int | None

    def is_apart(self, delay_ms: int) -> bool:
        """Tell whether every training label was known before the first test row asked.

        Example:
            >>> Span(last_train_ms=70, last_known_ms=75, first_test_ms=80).is_apart(10)
            True
            >>> Span(last_train_ms=71, last_known_ms=75, first_test_ms=80).is_apart(10)
            False
            >>> Span(last_train_ms=70, last_known_ms=80, first_test_ms=80).is_apart(10)
            False
        """
        if self.first_test_ms is None or self.last_train_ms is None:
            return True
        known = self.last_known_ms is None or self.last_known_ms < self.first_test_ms
        return known and self.last_train_ms + delay_ms <= self.first_test_ms


@dataclass(frozen=True)
class Crossing:
    """An entity's training rows, and how many of them leak into a test row of the same entity."""

    entity: str
    rows: int
    leaks: int

    def sentence(self, delay_ms: int) -> str:
        """Return what is told of it."""
        return (
            f"entity {self.entity}: {self.leaks} of {self.rows} training rows lie within the label's window "
            f"({delay_ms} ms) of a test row of the same {self.entity}"
        )


def open_labels(assigned: DataFrame, test_from_ms: int, delay_ms: int) -> tuple[int, int | None]:
    """Return how many training rows had no label yet when the test began, and when the last of them had one."""
    open_then = f"t_ms + {delay_ms}L > {test_from_ms}L or label_known_ms >= {test_from_ms}L"
    found = assigned.where(f"split = '{TRAIN}'").where(open_then).agg(F.count("*"), F.max("label_known_ms")).first()
    return (int(found[0]), found[1]) if found else (0, None)


def crossings(assigned: DataFrame, delay_ms: int) -> list[Crossing]:
    """Return what leaks, an entity that any training row has: a few small rows.

    1. One row a (row, entity): `entity`, `key`, `t_ms`, `label_known_ms`, `split`.
    2. For each, the last test row of its key up to its t, and the first one from its t on. Two running maxima, each
       along one sort: a frame that has no end would be worked out anew for every row.
    3. A training row leaks by the rule of this module; counted an entity.

    Args:
        assigned: one row a split row, with `split`, `t_ms`, `label_known_ms` and `entities`.
        delay_ms: the label's delay.
    """
    sides = assigned.where(F.col("split").isin(TRAIN, TEST))
    rows = sides.select("t_ms", "label_known_ms", "split", F.explode("entities").alias("entity", "key"))
    tested = F.when(F.col("split") == TEST, F.col("t_ms"))
    own = Window.partitionBy("entity", "key")
    # RANGE: rows of the same moment see one another.
    up_to = own.orderBy("t_ms").rangeBetween(Window.unboundedPreceding, Window.currentRow)
    from_on = own.orderBy(F.desc("t_ms")).rangeBetween(Window.unboundedPreceding, Window.currentRow)
    beside = rows.where("key is not null").withColumns(
        {"before": F.max(tested).over(up_to), "after": F.min(tested).over(from_on)}
    )
    leaks = F.expr(
        f"coalesce(t_ms < before + {delay_ms}L, false) or coalesce(after < t_ms + {delay_ms}L, false) "
        "or coalesce(label_known_ms >= after, false)"
    )
    counted = beside.where(F.col("split") == TRAIN).groupBy("entity")
    found = counted.agg(F.count("*").alias("rows"), F.count_if(leaks).alias("leaks")).orderBy("entity").collect()
    return [Crossing(row["entity"], row["rows"], row["leaks"]) for row in found]
