"""Who is told, and how: a port, and adapters that never stop a stage."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import structlog


@dataclass(frozen=True)
class Notification:
    """Something that people want to hear of.

    Attributes:
        level: how much it matters.
        title: one line. text: what happened, and what to do.
    """

    level: Literal["info", "warning", "error"]
    title: str
    text: str = ""


class Notifier(Protocol):
    """Somebody who is told."""

    def notify(self, notification: Notification) -> None:
        """Pass the notification on; a failure is the notifier's own and is not raised."""
        ...


class LogNotifier:
    """Writes notifications to the log: the default, which needs no server."""

    def __init__(self, log: Any = None) -> None:
        self._log = log or structlog.get_logger()

    def notify(self, notification: Notification) -> None:
        """Log the notification at its level."""
        getattr(self._log, notification.level)(notification.title, text=notification.text)


@dataclass
class MemoryNotifier:
    """Keeps notifications; for tests."""

    heard: list[Notification] = field(default_factory=list)

    def notify(self, notification: Notification) -> None:
        """Keep the notification."""
        self.heard.append(notification)
