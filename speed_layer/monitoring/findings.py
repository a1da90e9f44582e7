"""What stands still or is missing in the speed layer: one sentence each, with what to do. Pure, but for ports that are asked."""

from __future__ import annotations

import urllib.request
from typing import TYPE_CHECKING

from lambda_core.features.windows import parse_duration
from speed_layer.monitoring.figures import EXPIRE_S

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_core.context import RunContext
    from speed_layer.monitoring.standing import Row
    from speed_layer.monitoring.status import Status

COMMANDS = {"query": "speed", "raw": "speed", "scores": "speed", "merge": "merge", "score": "score"}
"""Which command's process a reader is part of."""
_REMEDIES = {
    "speed": "look at the log of `mainstem speed`, and give Spark more slots or processors",
    "merge": "look at the worker's log, and start another one: mainstem merge",
    "score": "look at the worker's log, and start another one: mainstem score",
}


def findings(context: RunContext, status: Status, redis_is_away: bool) -> list[str]:  # noqa: FBT001 - one of three facts
    """Return every finding.

    Args:
        context: names what is expected: which processes, how great a lag, ports.
        status: what was told.
        redis_is_away: whether Redis told nothing, so that nobody can be missed.
    """
    found = (
        [] if redis_is_away else [*_of_view(status), *_missing(context, status), *_waiting(status), *_unread(status)]
    )
    # A previous definition's epoch is up to date only for as long as somebody wants to be able to revert to it.
    rows = [row for row in status.rows if row.reader != "merge" or row.name == status.epoch]
    return [*found, *(sentence for row in rows for sentence in _of_row(row, allowed_s(context, row.reader)))]


def allowed_s(context: RunContext, reader: str) -> float:
    """Return how old the oldest record that waits for a reader may be, in seconds."""
    settings = context.environment.speed
    checkpoint_ms = 0
    if reader == "query":
        checkpoint_ms = parse_duration(settings.trigger.removeprefix("realtime "))
    elif reader in {"raw", "scores"}:
        checkpoint_ms = settings.raw_trigger_ms
    return (settings.max_lag_ms + checkpoint_ms) / 1_000


def expected_processes(context: RunContext) -> list[str]:
    """Return the commands whose processes the project needs."""
    project = context.project
    needed = {"speed": True, "merge": bool(project.feature_groups), "score": bool(project.models)}
    return [command for command, is_needed in needed.items() if is_needed]


def _of_view(status: Status) -> Iterator[str]:
    if status.epoch is None:
        yield "view: expected a published one, found none, so nothing is merged; run: mainstem batch run publishing"
    elif not status.held:
        yield (
            f"view: expected Redis to hold epoch {status.epoch}, found its mark missing: it was emptied or went back in time; "
            "publish again: mainstem batch run publishing"
        )
    elif not status.caught_up:
        yield (
            f"view: expected epoch {status.epoch} to have all updates again since Redis was started again, found some missing, "
            "so nothing is merged; wait for the merge workers, or start those that are missing: mainstem merge"
        )


def _missing(context: RunContext, status: Status) -> Iterator[str]:
    settings = context.environment.speed
    ports = {
        "speed": settings.query_metrics_port,
        "merge": settings.merge_metrics_port,
        "score": settings.score_metrics_port,
    }
    for command in expected_processes(context):
        own = [one for one in status.processes if one.worker == command]
        if any(one.lives for one in own):
            continue
        sentence = f"{command}: expected a process that left figures within {EXPIRE_S} s, found none"
        if own:
            sentence += f" ({own[0].instance} left the last ones {(status.at_ms - own[0].heard_ms) / 1_000:.0f} s ago)"
        if _answers(ports[command]):
            yield f"{sentence}; its metrics answer, so it lives, but cannot write to Redis: look at its log"
        else:
            yield f"{sentence}; look at its log, and start it: mainstem {command}"


def _waiting(status: Status) -> Iterator[str]:
    for one in status.processes:
        if one.lives and one.waits_for:
            yield f"{one.worker} {one.instance} does nothing, since {one.waits_for}"


def _unread(status: Status) -> Iterator[str]:
    living = {one.worker for one in status.processes if one.lives and not one.waits_for}
    for row in status.rows:
        if row.reader in living and row.figures is None and row.name in {"", status.epoch}:
            yield (
                f"{row.reader}: expected a worker that reads partition {row.partition} of {row.topic}, found none; start one "
                f"that does: mainstem {row.reader}"
            )


def _of_row(row: Row, most_s: float) -> Iterator[str]:
    place = f"{row.reader}{f' {row.name}' if row.name else ''}, partition {row.partition} of {row.topic}"
    if row.position is not None and not row.begin <= row.position <= row.end:
        yield (
            f"{place}: expected its position {row.position} between the log's begin {row.begin} and end {row.end}; records "
            "are gone, or the topic was made again: rebuild from the raw tables"
        )
    elif row.lag_seconds is None:
        yield f"{place}: {row.lag_records} records wait, and the oldest could not be read; look at the broker's log"
    elif row.lag_seconds > most_s:
        yield (
            f"{place}: expected records to wait at most {most_s:.0f} s, found {row.lag_records} that wait, the oldest for "
            f"{row.lag_seconds:.0f} s; {_REMEDIES[COMMANDS[row.reader]]}"
        )


def _answers(port: int | None) -> bool:
    if port is None:
        return False
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=1):
            return True
    except OSError:
        return False
