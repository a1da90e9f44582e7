"""Raw records into prepared rows and quarantine; every record is in one of them, and the counts say so."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from filelock import FileLock

from batch_layer.preparation.condition import Condition, assess, assess_age
from batch_layer.preparation.gate import check_expectations
from batch_layer.preparation.placing import frequent_reasons, placed
from batch_layer.preparation.progress import Progress, beyond, progress_of
from batch_layer.preparation.survey import Survey, survey
from lambda_core.cleaning.references import content_note, references_of
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest
from lambda_core.schemas import tables as schema
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.config.project import Project
    from lambda_core.context import RunContext


@dataclass(frozen=True)
class SourceReport:
    """Where a source's records went: raw = accepted + quarantined + duplicates, exactly.

    Attributes:
        added: records that this run prepared; all other figures are of all records.
        raw: records in the raw table, each position once.
        duplicates: declared duplicates: by `log_from` and by `unique_key`.
        across_partitions: unique keys that several partitions hold: there they are no copies, to either layer.
        repeated: rows of the raw table whose position was there before (a raw writer that began anew); not in `raw`.
        version: of the prepared table.
        findings: what is out of the ordinary in the batches of this run, a sentence each. page: the report that shows it.
        repaired: column -> how many values of this run its repair changed.
    """

    source: str
    added: int
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
    findings: tuple[str, ...] = ()
    page: str = ""
    repaired: dict[str, int] | None = None


@dataclass(frozen=True)
class PreparationReport:
    """The accounts of all sources, and the expectations that only warned."""

    sources: tuple[SourceReport, ...]
    warnings: tuple[str, ...]

    @property
    def pages(self) -> tuple[str, ...]:
        """Return where the reports on the condition of what was new lie."""
        return tuple(source.page for source in self.sources if source.page)


def prepare(context: RunContext, sources: Sequence[str] | None = None, *, full: bool = False) -> PreparationReport:
    """Prepare what is new of the named sources (default: all), references first, then hold them to their expectations.

    Args:
        context: names tables and the project.
        sources: which ones; None for all.
        full: prepare all of their records anew, as happens by itself wherever a declaration changed (see `progress`).

    Raises:
        ConfigError: when a name is no source, or an expression cannot work.
        SchemaError: when a raw table, or a reference that is looked up, does not exist.
        DataError: when the accounts do not add up; nothing was written.
        GateError: when the condition of a source's new records stops it, or an expectation failed.
    """
    waves = in_waves(context.project, list(context.project.sources) if sources is None else sources)
    work = partial(_prepare_source, context, full=full)
    reports = [report for wave in waves for report in side_by_side(context, work, wave)]
    versions = {report.source: report.version for report in reports}
    warnings = check_expectations(context, list(versions), versions)
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


def _prepare_source(context: RunContext, name: str, *, full: bool) -> SourceReport:
    """Add what is new of one source, in steps whose order makes it once.

    1. Take the lock of the source's preparation: what follows is one process at a time.
    2. Read how far it was prepared, and what raw holds beyond.
    3. Clean these records; refuse them if their accounts do not add up.
    4. Assess their condition, by batch: what was declared to stop stops here, and nothing is written.
    5. Write those that cannot be used to quarantine, in the place of what a run that crashed here may have left there.
    6. Add the others to the prepared table: the note of that commit says how far it reaches now.
    """
    begin = context.clock.now_ms()
    context.environment.tables.mkdir(parents=True, exist_ok=True)
    with FileLock(context.environment.tables / f".{schema.prepared(name)}.preparing.lock"):
        known = progress_of(context, name)
        known = known.forgotten() if full else known
        found = survey(context, name, known)
        if known.positions and not found.records:
            progress, version = known, context.tables.version(schema.prepared(name))
            condition = assess_age(context, name)
        else:
            progress, version, condition = _add(context, name, known, found)
    seconds = (context.clock.now_ms() - begin) / 1000
    report = SourceReport(
        source=name,
        added=found.records,
        raw=progress.counts.raw,
        accepted=progress.counts.accepted,
        quarantined=progress.counts.quarantined,
        duplicates=progress.counts.duplicates,
        log_from=progress.counts.log_from,
        unique_key=progress.counts.unique_key,
        across_partitions=progress.counts.across_partitions,
        repeated=found.repeated,
        version=version,
        seconds=seconds,
        findings=condition.findings,
        page=condition.page,
        repaired=condition.repaired,
    )
    _tell(context, report)
    return report


def _add(context: RunContext, name: str, known: Progress, found: Survey) -> tuple[Progress, int, Condition]:
    """Prepare the records found; return how far the source reaches then, its table's version, and their condition."""
    prepared, quarantine = schema.prepared(name), schema.quarantine(name)
    with placed(context, name, found, known) as records:
        progress = known.with_added(found.positions, records.counts)
        condition = assess(context, name, records.cleaned, found, known) if found.records else Condition()
        if records.counts.quarantined:
            told = {"records": records.counts.quarantined, "most": frequent_reasons(records.quarantined)}
            context.log.warning("records quarantined", source=name, table=quarantine, **told)
        if records.counts.quarantined or context.tables.exists(quarantine):
            where = beyond(known.positions) if known.positions else None
            context.tables.replace(quarantine, records.quarantined, where)
        if known.positions:
            return progress, context.tables.append(prepared, records.prepared, note=progress.note()), condition
        is_reference = context.project.sources[name].kind == "reference"
        note = content_note(context, name, records.prepared) if is_reference else progress.note()
        return progress, context.tables.replace(prepared, records.prepared, note=note), condition


def _tell(context: RunContext, report: SourceReport) -> None:
    context.log.info("source prepared", **vars(report))
    if report.across_partitions or report.repeated:
        context.log.warning(
            "one unique key on several partitions, or repeated positions",
            source=report.source,
            across_partitions=report.across_partitions,
            repeated=report.repeated,
        )
