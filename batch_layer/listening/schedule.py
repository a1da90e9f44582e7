"""Messages by the clock: a schedule sends what anybody with data would send, and so starts the same chain."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from apscheduler.events import EVENT_JOB_ERROR
from apscheduler.schedulers.background import BackgroundScheduler

from lambda_core.schemas.messages import DATA_AVAILABLE, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lambda_core.config.project import Schedule
    from lambda_core.context import RunContext


@contextmanager
def keeping_schedules(context: RunContext, say: Callable[[Said], None]) -> Iterator[BackgroundScheduler]:
    """Send the messages of the project's schedules at their moments, from a thread of its own, while the body runs.

    What fell due while the machine slept is sent once. Several listeners each send the messages; the stages are idempotent.
    """
    scheduler = BackgroundScheduler(timezone="UTC")
    for name, schedule in context.project.schedules.items():
        scheduler.add_job(
            _send,
            schedule.trigger,
            args=(context, name, schedule, say),
            id=name,
            coalesce=True,
            misfire_grace_time=None,
        )
    scheduler.add_listener(
        lambda event: context.log.error("schedule failed", schedule=event.job_id, reason=str(event.exception)),
        EVENT_JOB_ERROR,
    )
    if context.project.schedules:
        scheduler.start()
    try:
        yield scheduler
    finally:
        if scheduler.running:
            scheduler.shutdown()


def _send(context: RunContext, name: str, schedule: Schedule, say: Callable[[Said], None]) -> None:
    context.log.info("schedule is due", schedule=name, sources=schedule.sources)
    for said in announcements(schedule.sources, full=schedule.full):
        say(said)


def announcements(sources: Sequence[str], *, full: bool) -> list[Said]:
    """Return the messages that these sources have data; of several each names all: they are followed together."""
    together = list(sources) if len(sources) > 1 else []
    return [Said(event=DATA_AVAILABLE, source=source, full=full, together=together) for source in sources]
