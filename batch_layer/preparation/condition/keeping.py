"""The table of profiles: two rows a batch at most, so that a topic's day does not grow with every run.

    batch_id   part     profile
    log <day>  before   of the records that were prepared when the last run began
    log <day>  {"0":7}  of those that the run from these positions on added

A run that begins where another one did finds that one's part, which crashed before its records were prepared, and writes it
anew; any other run takes both together as what was before.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from batch_layer.preparation.condition.profile import Profile
from lambda_core.schemas import tables as schema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batch_layer.preparation.progress import Progress
    from lambda_core.context import RunContext

BEFORE = "before"
Row = tuple[str, str, str]
"""Batch, part, and the profile as JSON."""


def part_of(known: Progress) -> str:
    """Return the name of what a run adds that begins at these positions.

    Example:
        >>> from batch_layer.preparation.progress import Progress
        >>> part_of(Progress(made_by="", positions={1: 4, -1: 7}))
        '{"-1":7,"1":4}'
    """
    return msgspec.json.encode({str(key): known.positions[key] for key in sorted(known.positions)}).decode()


def ordered(profiles: Mapping[str, Profile]) -> dict[str, Profile]:
    """Return the batches in the order in which they came: by first append time, then by event time, then by name."""

    def came(batch: str) -> tuple[int, int, str]:
        return profiles[batch].first_ms or 0, profiles[batch].begin_ms or 0, batch

    return {batch: profiles[batch] for batch in sorted(profiles, key=came)}


def before_part(rows: Iterable[Row], part: str) -> dict[str, Profile]:
    """Return what batches looked like before a run's part, which an earlier attempt may have left."""
    found: dict[str, Profile] = {}
    for batch, name, state in rows:
        if name != part:
            profile = msgspec.json.decode(state, type=Profile)
            found[batch] = found[batch].merge(profile) if batch in found else profile
    return ordered(found)


def stored(context: RunContext, source: str) -> list[Row]:
    """Return the rows of the batches that the newest ones are compared with; none before the first preparation."""
    name = schema.profile(source)
    if not context.tables.exists(name):
        return []
    newest = 2 * (context.project.sources[source].condition.history + 1)
    rows = context.tables.read(name).select("batch_id", "part", "state", "last_ms")
    found = rows.orderBy("last_ms", ascending=False).limit(newest).collect()  # so many small rows
    return [(row["batch_id"], row["part"], row["state"]) for row in found]


def keep(
    context: RunContext, source: str, known: Progress, before: Mapping[str, Profile], added: Mapping[str, Profile]
) -> None:
    """Write what a run added beside what was before; everything anew where all records were prepared anew."""
    rows = [_row(batch, part_of(known), profile) for batch, profile in added.items()]
    rows += [_row(batch, BEFORE, before[batch]) for batch in added if batch in before and known.positions]
    frame = context.spark.createDataFrame(rows, schema.PROFILE_SCHEMA).coalesce(1)
    table = schema.profile(source)
    if known.positions and context.tables.exists(table):
        names = ", ".join("'" + batch.replace("'", "\\'") + "'" for batch in added)
        context.tables.replace(table, frame, f"batch_id in ({names})")
    else:
        context.tables.replace(table, frame)


def _row(batch: str, part: str, profile: Profile) -> tuple[object, ...]:
    state = msgspec.json.encode(profile).decode()
    return (
        batch,
        part,
        profile.rows,
        profile.accepted,
        profile.quarantined,
        profile.first_ms,
        profile.last_ms,
        profile.begin_ms,
        profile.end_ms,
        state,
    )
