"""Runs a stage: timing, log, audit, lineage and notification happen here, around the stage and never inside it.

The one broad `except` of the project lives here: whatever a stage raises is logged, audited and notified, and then
raised again. A notification that fails is logged and stops nothing.
"""

from __future__ import annotations

import dataclasses
import time
from typing import TYPE_CHECKING, Any

from lambda_core.audit import AuditTrail, FileAuditTrail
from lambda_core.lineage import Lineage, TracedTables
from lambda_core.notifications import LogNotifier, Notification, Notifier

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_core.context import RunContext


class Runner:
    """Runs stages of one context, one after the other.

    Attributes:
        audit: takes one record a stage run. notifier: is told of every failure.
    """

    def __init__(self, context: RunContext, audit: AuditTrail | None = None, notifier: Notifier | None = None) -> None:
        self._context = context
        self.audit = audit or FileAuditTrail(context.environment.state / "audit.jsonl")
        self.notifier = notifier or LogNotifier(context.log)

    def run(self, stage: str, work: Callable[[RunContext], Any]) -> Any:
        """Run one stage and return its report; whatever it raises is recorded and raised again."""
        lineage = Lineage()
        context = dataclasses.replace(self._context, log=self._context.log.bind(stage=stage))
        context.builders = {**self._context.builders, **self._shared(), "tables": self._traced(lineage)}
        begin = time.perf_counter()
        context.log.info("stage begins")
        try:
            report = work(context)
        except BaseException as error:
            self._record(stage, begin, lineage, "failed", error=f"{type(error).__name__}: {error}")
            self.tell(Notification("error", f"stage {stage} failed", f"{type(error).__name__}: {error}"))
            raise
        self._record(stage, begin, lineage, "succeeded", report=as_plain(report))
        context.log.info("stage ends", seconds=round(time.perf_counter() - begin, 1))
        return report

    def attempt(self, stage: str, work: Callable[[RunContext], Any]) -> tuple[Any, Exception | None]:
        """Run one stage; return its report, or what it raised, for those that go on with something else after a failure."""
        try:
            return self.run(stage, work), None
        except Exception as error:  # noqa: BLE001 - it was recorded by `run`
            return None, error

    def tell(self, notification: Notification) -> None:
        """Pass a notification on; a notifier that fails is logged and stops nothing."""
        try:
            self.notifier.notify(notification)
        except Exception:
            self._context.log.exception("notification failed", title=notification.title)

    def _shared(self) -> dict[str, Callable[[RunContext], Any]]:
        """Return builders that hand out the parent's Spark, Redis and registry: one of each a process."""
        parent = self._context
        return {"spark": lambda _: parent.spark, "redis": lambda _: parent.redis, "registry": lambda _: parent.registry}

    def _traced(self, lineage: Lineage) -> Callable[[RunContext], Any]:
        return lambda _: TracedTables(self._context.tables, lineage)

    def _record(self, stage: str, begin: float, lineage: Lineage, result: str, **more: Any) -> None:
        self.audit.record(
            {
                "run_id": self._context.run_id,
                "stage": stage,
                "result": result,
                "at_ms": self._context.clock.now_ms(),
                "seconds": round(time.perf_counter() - begin, 3),
                "settings": settings_hash(self._context),
                "read": lineage.read,
                "written": lineage.written,
                **more,
            }
        )


def settings_hash(context: RunContext) -> str:
    """Return 16 hexadecimal digits that name all settings of a run; secrets are not among what is hashed."""
    from lambda_core.features.definition import digest  # keeps the import graph of the frame thin

    environment = context.environment.model_dump(mode="json", exclude={"redis"})
    return digest([context.project.model_dump(mode="json"), environment])


def as_plain(report: Any) -> Any:
    """Return a report as plain values that JSON can hold."""
    if dataclasses.is_dataclass(report) and not isinstance(report, type):
        return as_plain(dataclasses.asdict(report))
    if isinstance(report, dict):
        return {str(name): as_plain(value) for name, value in report.items()}
    if isinstance(report, list | tuple):
        return [as_plain(value) for value in report]
    if hasattr(report, "model_dump"):
        return report.model_dump(mode="json")
    return report if report is None or isinstance(report, str | int | float) else str(report)
