"""The assessment flow: new records are measured, their batches judged by earlier ones, and people told, before anything else."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from batch_layer.preparation.condition.judging import Judge
from batch_layer.preparation.condition.keeping import before_part, keep, ordered, part_of, stored
from batch_layer.preparation.condition.profiling import LOG_BATCH, keys_of, profiles_of
from batch_layer.preparation.condition.report import BatchReport, SourceCondition, write
from lambda_core.errors import GateError
from lambda_core.schemas import tables as schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pyspark.sql import DataFrame

    from batch_layer.preparation.condition.findings import Finding
    from batch_layer.preparation.condition.profile import Profile
    from batch_layer.preparation.progress import Progress
    from batch_layer.preparation.survey import Survey
    from lambda_core.context import RunContext


@dataclass(frozen=True)
class Condition:
    """What the assessment of a source came to.

    Attributes:
        batches: how many were judged. findings: their sentences, the most important first.
        repaired: column -> how many of the new records' values its repair changed, where it changed any.
        page: the report for people; empty where nothing was new.
    """

    batches: int = 0
    findings: tuple[str, ...] = ()
    repaired: dict[str, int] | None = None
    page: str = ""


def assess(context: RunContext, name: str, cleaned: DataFrame, found: Survey, known: Progress) -> Condition:
    """Judge the batches among a source's new records, in steps whose order lets a run that stops begin again.

    1. Measure the records: one profile a batch, merged with what an earlier run measured of the same batch.
    2. Judge the batches that are new, grew or have ended, each by those that came before it.
    3. Write the report, also of what stops.
    4. Stop where a finding does; else keep the profiles.

    Args:
        context: names tables and the state folder.
        name: the source.
        cleaned: its new records, cleaned.
        found: what the survey found of them.
        known: how far it was prepared before; where that is nowhere, batches that were judged once are not judged again.

    Raises:
        GateError: with the sentences of the findings that stop; no table was written.
    """
    added = profiles_of(context.project.sources[name], cleaned, found.headers)
    rows = stored(context, name)
    before = before_part(rows, part_of(known)) if known.positions else {}
    grown = {batch: before[batch].merge(one) if batch in before else one for batch, one in added.items()}
    together = ordered({**before, **grown})
    judged_before = set() if known.positions else {batch for batch, _, _ in rows}
    judge = _judge(context, name, found.files)
    judged = [batch for batch in together if _is_due(batch, before, added) and batch not in judged_before]
    report = SourceCondition(
        source=name,
        at_ms=context.clock.now_ms(),
        batches=[_report(judge, together, batch) for batch in judged],
        age=_age(context, name, together.values()),
    )
    page = write(context.environment.reports, report)
    _stop_or_tell(context, report.findings, str(page))
    keep(context, name, known, before, added)
    sentences = tuple(one.sentence for one in report.findings)
    return Condition(len(judged), sentences, _repaired(added.values()), str(page))


def assess_age(context: RunContext, name: str) -> Condition:
    """Judge a source from which nothing new came by the age of its newest record, where that is declared; report it.

    The report shows the newest batch once more, as it was judged when it came: what is told and may stop is the age alone.

    Raises:
        GateError: where it is too old, and declared to stop.
    """
    if context.project.sources[name].condition.newest_ms is None:
        return Condition()
    together = before_part(stored(context, name), "")
    judge = _judge(context, name, {})
    newest = [_report(judge, together, batch) for batch in list(together)[-1:]]
    found = _age(context, name, together.values())
    page = write(context.environment.reports, SourceCondition(name, context.clock.now_ms(), newest, found))
    _stop_or_tell(context, found, str(page))
    return Condition(findings=tuple(one.sentence for one in found), page=str(page))


def _judge(context: RunContext, name: str, files: Mapping[str, str]) -> Judge:
    return Judge(name, context.project.sources[name], files, partial(_keys, context, name))


def is_open(batch: str, batches: Iterable[str]) -> bool:
    """Tell whether more records may belong to a batch: to a topic's day until there is one of a later day.

    Example:
        >>> is_open("log 2024-05-02", ["log 2024-05-01", "log 2024-05-02"]), is_open("orders-5d2f", ["orders-5d2f"])
        (True, False)
    """
    return batch.startswith(LOG_BATCH) and not any(other.startswith(LOG_BATCH) and other > batch for other in batches)


def _keys(context: RunContext, name: str, batch: str) -> list[str]:
    return keys_of(context.tables.read(schema.raw(name)), batch)


def _is_due(batch: str, before: Mapping[str, Profile], added: Mapping[str, Profile]) -> bool:
    has_ended = batch in before and is_open(batch, before) and not is_open(batch, [*before, *added])
    return batch in added or has_ended


def _report(judge: Judge, together: Mapping[str, Profile], batch: str) -> BatchReport:
    batches = list(together)
    past = {one: together[one] for one in batches[: batches.index(batch)]}
    whole = not is_open(batch, batches)
    findings = judge.judge(batch, together[batch], list(past.values()), whole=whole)
    return BatchReport(batch, together[batch], past, findings, whole=whole)


def _age(context: RunContext, name: str, profiles: Iterable[Profile]) -> list[Finding]:
    oldest_ms = context.project.sources[name].condition.newest_ms
    newest = max((one.last_ms for one in profiles if one.last_ms is not None), default=None)
    if oldest_ms is None or newest is None or context.clock.now_ms() - newest <= oldest_ms:
        return []
    age_ms = context.clock.now_ms() - newest
    judge = Judge(name, context.project.sources[name])
    return [
        judge.told(
            "newest",
            age_ms,
            oldest_ms,
            batch="(none)",
            expected=f"a record within the last {dt.timedelta(milliseconds=oldest_ms)}",
            found=f"the newest one {dt.timedelta(milliseconds=age_ms)} old: nothing has come since",
            do="see whether the producer sent an empty batch, or none",
        )
    ]


def _stop_or_tell(context: RunContext, findings: Sequence[Finding], page: str) -> None:
    for one in findings:
        context.log.warning("finding", finding=one.sentence)
    stopping = [one.sentence for one in findings if one.stops]
    if stopping:
        batches = ", ".join(dict.fromkeys(one.batch for one in findings if one.stops))
        source = findings[0].source
        seen = f"; the report is {page}" if page else ""
        raise GateError(
            "\n".join(stopping)
            + f"\nsource {source}: nothing of it was prepared; where the batch is as it should be, add it to "
            f"sources.{source}.condition.accept: [{batches}]{seen}"
        )


def _repaired(profiles: Iterable[Profile]) -> dict[str, int]:
    found: dict[str, int] = {}
    for profile in profiles:
        for column, one in profile.columns.items():
            found[column] = found.get(column, 0) + one.repaired
    return {column: values for column, values in found.items() if values}
