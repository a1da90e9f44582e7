"""What becomes of a source's new records: prepared rows or quarantine, and how many of each."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from batch_layer.preparation.condition.measuring import SHAPE
from batch_layer.preparation.duplicates import UNIQUE_KEY, later_copies
from batch_layer.preparation.progress import Counts
from lambda_core.cleaning.clean import LOG_FROM, clean
from lambda_core.cleaning.reading import VALUE, read_fields
from lambda_core.cleaning.references import read_references
from lambda_core.errors import DataError
from lambda_core.features.states_sql import ACCEPTED, COUNTED
from lambda_core.schemas import tables as schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import Column, DataFrame, Row

    from batch_layer.preparation.progress import Progress
    from batch_layer.preparation.survey import Survey
    from lambda_core.config.project import Project
    from lambda_core.context import RunContext

EXCERPT_BYTES = 1024
_FEW = 1_000_000
"""So many positions of duplicates are sent to every executor; more are joined by a shuffle."""
_REFUSED, _USABLE = "size(reasons) > 0", "size(reasons) = 0"


@dataclass(frozen=True)
class Placed:
    """Where every record of a survey goes.

    Attributes:
        counts: how many went where; they add up.
        cleaned: one row a record, as cleaning left it.
        prepared: one row a record that can be used, declared duplicates marked.
        quarantined: one row a record that cannot, with its reasons.
    """

    counts: Counts
    cleaned: DataFrame
    prepared: DataFrame
    quarantined: DataFrame


@contextmanager
def placed(context: RunContext, name: str, found: Survey, known: Progress) -> Iterator[Placed]:
    """Clean the records found and judge them by each other and by those that were prepared before.

    What was cleaned is kept by the executors inside the block.

    Raises:
        DataError: when a record is missing among those placed, or counted twice.
    """
    source = context.project.sources[name]
    cleaned = _cleaned(context, name, found).persist()
    before = context.tables.read(schema.prepared(name)).where(COUNTED) if known.positions else None
    later = later_copies(source, cleaned.where(ACCEPTED), before).persist()
    try:
        counts = _counts(name, found, cleaned, later)
        usable = _marked(cleaned.where(_USABLE), later, counts.unique_key)
        prepared, refused = _prepared(context.project, name, usable), _quarantined(name, cleaned.where(_REFUSED))
        yield Placed(counts, cleaned, prepared, refused)
    finally:
        later.unpersist()
        cleaned.unpersist()


def frequent_reasons(quarantined: DataFrame, most: int = 3) -> list[str]:
    """Return the most frequent reasons, the first one first, each with its number of records; not what was found."""
    return [f"{row['records']:,} times {row['reason']}" for row in by_reason(quarantined, most)]


def by_reason(quarantined: DataFrame, most: int, **beside: Column) -> list[Row]:
    """Return the most frequent reasons, the first one first, what was found left out: so many rows at most.

    A row has `reason`, `records` (one with several reasons is counted for each), and the aggregates over these records that
    are asked for by name.
    """
    told = quarantined.withColumn("_told", F.explode("reasons"))
    kinds = told.groupBy(F.substring_index("_told", ", found ", 1).alias("reason"))
    aggregates = (aggregate.alias(name) for name, aggregate in beside.items())
    found = kinds.agg(F.count(F.lit(1)).alias("records"), *aggregates)
    return found.orderBy(F.desc("records"), "reason").limit(most).collect()


def _cleaned(context: RunContext, name: str, found: Survey) -> DataFrame:
    source = context.project.sources[name]
    frame = found.frame.withColumn(SHAPE, _shape(found.headers))
    record = read_fields(source, frame, found.headers, objects=found.objects)
    cleaned = clean(context.project, name, record, read_references(context, name))
    start = F.substring(F.col(VALUE), 1, EXCERPT_BYTES).cast("string")
    excerpt = F.when(F.expr(_REFUSED), F.make_valid_utf8(start))
    return cleaned.withColumn("_excerpt", excerpt).drop(VALUE)


def _shape(headers: Sequence[str]) -> Column:
    """Return the place of a record's header among the headers; null where it has none."""
    places = (F.when(F.col("header") == header, place) for place, header in enumerate(headers))
    return F.coalesce(*places, F.lit(None).cast("int"))


def _counts(name: str, found: Survey, cleaned: DataFrame, later: DataFrame) -> Counts:
    refused, accepted, of_other = _numbers(cleaned, _REFUSED, ACCEPTED, f"{_USABLE} and duplicate = '{LOG_FROM}'")
    copies, across = _numbers(later, "later", "across")
    counts = Counts(
        raw=found.records,
        accepted=accepted - copies,
        quarantined=refused,
        log_from=of_other,
        unique_key=copies,
        across_partitions=across,
    )
    if counts.accepted + counts.quarantined + counts.duplicates != counts.raw:
        raise DataError(
            f"source {name}: expected raw = accepted + quarantined + duplicates, found {counts.raw} and "
            f"{counts.accepted} + {counts.quarantined} + {counts.duplicates}; nothing was written: run the preparation "
            f"again, and if it stays, look for two processes that write {schema.raw(name)}"
        )
    return counts


def _numbers(rows: DataFrame, *conditions: str) -> list[int]:
    """Return for how many rows each condition holds."""
    found = rows.agg(*(F.count_if(F.expr(condition)) for condition in conditions)).first()
    return [int(number) for number in found] if found is not None else [0] * len(conditions)


def _marked(usable: DataFrame, later: DataFrame, number: int) -> DataFrame:
    """Return the records that can be used, those by `later` marked as declared duplicates."""
    if number == 0:
        return usable
    marks = later.where("later").select("partition", "offset", F.lit(UNIQUE_KEY).alias("_rule"))
    marks = F.broadcast(marks) if number <= _FEW else marks
    joined = usable.join(marks, ["partition", "offset"], "left")
    return joined.withColumn("duplicate", F.coalesce("duplicate", "_rule"))


def _prepared(project: Project, name: str, usable: DataFrame) -> DataFrame:
    period = F.expr(f"case when `partition` >= 0 then floor(append_time_ms / {project.view.period_ms}L) end")
    positions = cast("T.StructType", T.StructType.fromDDL(schema.PREPARED_COLUMNS)).fieldNames()
    return usable.withColumn("period", period.cast("bigint")).select(
        *project.sources[name].all_columns, *(F.col(position) for position in positions)
    )


def _quarantined(name: str, refused: DataFrame) -> DataFrame:
    origin = F.when(F.col("partition") < 0, "file").otherwise("log")
    return refused.select(
        F.lit(name).alias("source"), origin.alias("origin"), "partition", "offset", "append_time_ms", "batch_id",
        "reasons", F.col("_excerpt").alias("excerpt"),
    )  # fmt: skip
