"""Raw records into prepared rows and quarantine; every record is in one of them, and the counts say so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, cast

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from batch_layer.preparation.duplicates import UNIQUE_KEY, later_copies
from batch_layer.preparation.gate import check_expectations
from batch_layer.preparation.survey import Survey, survey
from lambda_core.cleaning.clean import LOG_FROM, clean
from lambda_core.cleaning.expressions import nearest
from lambda_core.cleaning.reading import VALUE, read_fields
from lambda_core.cleaning.references import content_note, read_references, references_of
from lambda_core.errors import ConfigError, DataError
from lambda_core.schemas import tables as schema
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame

    from lambda_core.config.project import Project
    from lambda_core.context import RunContext

EXCERPT_BYTES = 1024
_FEW = 1_000_000
"""So many positions of duplicates are sent to every executor; more are joined by a shuffle."""


@dataclass(frozen=True)
class SourceReport:
    """Where a source's records went: raw = accepted + quarantined + duplicates, exactly.

    Attributes:
        raw: records in the raw table, each position once.
        duplicates: declared duplicates: by `log_from` and by `unique_key`.
        across_partitions: duplicates by unique key whose copies lie on several partitions, which the speed layer may
            see in another order.
        repeated: rows of the raw table whose position was there before (a raw writer that began anew); not in `raw`.
        version: of the prepared table.
    """

    source: str
    raw: int
    accepted: int
    quarantined: int
    duplicates: int
    log_from: int
    unique_key: int
    across_partitions: int
    repeated: int
    version: int
    seconds: float


@dataclass(frozen=True)
class PreparationReport:
    """The accounts of all sources, and the expectations that only warned."""

    sources: tuple[SourceReport, ...]
    warnings: tuple[str, ...]


def prepare(context: RunContext, sources: Sequence[str] | None = None) -> PreparationReport:
    """Prepare the named sources (default: all), references first, then hold them to their expectations.

    Raises:
        ConfigError: when a name is no source, or an expression cannot work.
        SchemaError: when a raw table, or a reference that is looked up, does not exist.
        DataError: when the accounts do not add up.
        GateError: when an expectation failed.
    """
    waves = in_waves(context.project, list(context.project.sources) if sources is None else sources)
    reports = [report for wave in waves for report in side_by_side(context, partial(_prepare_source, context), wave)]
    warnings = check_expectations(context, [report.source for report in reports])
    return PreparationReport(tuple(reports), warnings)


def in_waves(project: Project, names: Sequence[str]) -> list[list[str]]:
    """Return the names in groups: each source comes in a later group than the references that it looks up.

    Raises:
        ConfigError: when a name is no source, or references look each other up in a circle.
    """
    for name in names:
        if name not in project.sources:
            known = sorted(project.sources)
            raise ConfigError(f"prepare: expected one of {', '.join(known)}; found {name!r}{nearest(name, known)}")
    waves: list[list[str]] = []
    waiting = list(dict.fromkeys(names))
    while waiting:
        ready = [name for name in waiting if not set(references_of(project, name)) & set(waiting)]
        if not ready:
            raise ConfigError(f"sources: expected lookups without a circle, found one among {', '.join(waiting)}")
        waves.append(ready)
        waiting = [name for name in waiting if name not in ready]
    return waves


def _prepare_source(context: RunContext, name: str) -> SourceReport:
    begin = context.clock.now_ms()
    found = survey(context, name)
    cleaned = _cleaned(context, name, found).persist()
    try:
        counts = _counts(cleaned)
        later = later_copies(context.project.sources[name], _candidates(cleaned)).persist()
        copies = later.agg(F.count(F.lit(1)).alias("all"), F.count_if("across").alias("across")).first()
        by_key, across = (int(copies["all"]), int(copies["across"])) if copies is not None else (0, 0)
        prepared = _prepared(context.project, name, _marked(cleaned, later, by_key))
        looked_up = name in references_of(context.project, *context.project.sources)
        note = content_note(context, name, prepared) if looked_up else None
        version = context.tables.replace(schema.prepared(name), prepared, note=note)
        if counts["quarantined"] or context.tables.exists(schema.quarantine(name)):
            context.tables.replace(schema.quarantine(name), _quarantined(name, cleaned))
        later.unpersist()
    finally:
        cleaned.unpersist()
    report = SourceReport(
        source=name,
        raw=found.records,
        accepted=counts["accepted"] - by_key,
        quarantined=counts["quarantined"],
        duplicates=counts[LOG_FROM] + by_key,
        log_from=counts[LOG_FROM],
        unique_key=by_key,
        across_partitions=across,
        repeated=found.repeated,
        version=version,
        seconds=(context.clock.now_ms() - begin) / 1000,
    )
    _account(context, report)
    return report


def _cleaned(context: RunContext, name: str, found: Survey) -> DataFrame:
    source = context.project.sources[name]
    record = read_fields(source, found.frame, found.headers, objects=found.objects)
    cleaned = clean(context.project, name, record, read_references(context, name))
    start = F.substring(F.col(VALUE), 1, EXCERPT_BYTES).cast("string")
    excerpt = F.when(F.size("reasons") > 0, F.make_valid_utf8(start))
    return cleaned.withColumn("_excerpt", excerpt).drop(VALUE)


def _candidates(cleaned: DataFrame) -> DataFrame:
    return cleaned.where("size(reasons) = 0 and duplicate is null")


def _counts(cleaned: DataFrame) -> dict[str, int]:
    kinds = {
        "quarantined": "size(reasons) > 0",
        "accepted": "size(reasons) = 0 and duplicate is null",
        LOG_FROM: f"size(reasons) = 0 and duplicate = '{LOG_FROM}'",
    }
    found = cleaned.agg(*(F.count_if(F.expr(condition)).alias(kind) for kind, condition in kinds.items())).first()
    return {kind: int(found[kind]) if found is not None else 0 for kind in kinds}


def _marked(cleaned: DataFrame, later: DataFrame, number: int) -> DataFrame:
    """Return the records that can be used, those by `later` marked as declared duplicates."""
    usable = cleaned.where("size(reasons) = 0")
    if number == 0:
        return usable
    marks = later.select("partition", "offset", F.lit(UNIQUE_KEY).alias("_rule"))
    marks = F.broadcast(marks) if number <= _FEW else marks
    joined = usable.join(marks, ["partition", "offset"], "left")
    return joined.withColumn("duplicate", F.coalesce("duplicate", "_rule"))


def _prepared(project: Project, name: str, usable: DataFrame) -> DataFrame:
    period = F.expr(f"case when `partition` >= 0 then floor(append_time_ms / {project.view.period_ms}L) end")
    positions = cast("T.StructType", T.StructType.fromDDL(schema.PREPARED_COLUMNS)).fieldNames()
    return usable.withColumn("period", period.cast("bigint")).select(
        *project.sources[name].all_columns, *(F.col(position) for position in positions)
    )


def _quarantined(name: str, cleaned: DataFrame) -> DataFrame:
    origin = F.when(F.col("partition") < 0, "file").otherwise("log")
    return cleaned.where("size(reasons) > 0").select(
        F.lit(name).alias("source"), origin.alias("origin"), "partition", "offset", "append_time_ms", "batch_id",
        "reasons", F.col("_excerpt").alias("excerpt"),
    )  # fmt: skip


def _account(context: RunContext, report: SourceReport) -> None:
    """Log the accounts, and refuse them if a record is missing or counted twice."""
    context.log.info("source prepared", **vars(report))
    if report.across_partitions or report.repeated:
        context.log.warning(
            "copies on several partitions, or repeated positions",
            source=report.source,
            across_partitions=report.across_partitions,
            repeated=report.repeated,
        )
    placed = report.accepted + report.quarantined + report.duplicates
    if placed != report.raw:
        raise DataError(
            f"source {report.source}: expected raw = accepted + quarantined + duplicates, found {report.raw} and "
            f"{report.accepted} + {report.quarantined} + {report.duplicates}; run the preparation again, and if it "
            f"stays, look for two processes that write {schema.raw(report.source)}"
        )
