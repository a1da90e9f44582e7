"""Who ran what, when, on which settings, with which end: one JSON line a stage run, appended to a file."""

import getpass
import json
import os
from pathlib import Path
from typing import Any, Protocol


class AuditTrail(Protocol):
    """Takes records and never changes one."""

    def record(self, entry: dict[str, Any]) -> None:
        """Append one record."""
        ...


class FileAuditTrail:
    """One JSON object a line below the state folder: run, stage, user, settings hash, begin, end, result, lineage."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def record(self, entry: dict[str, Any]) -> None:
        """Append one record; a line is written in one call, so that concurrent runs do not mix."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        line = json.dumps({"user": getpass.getuser(), "pid": os.getpid(), **entry}, default=str) + "\n"
        with self._file.open("a", encoding="utf-8") as file:
            file.write(line)

    def entries(self) -> list[dict[str, Any]]:
        """Return every record, oldest first."""
        if not self._file.is_file():
            return []
        return [json.loads(line) for line in self._file.read_text(encoding="utf-8").splitlines()]


class MemoryAuditTrail:
    """Keeps records; for tests."""

    def __init__(self) -> None:
        self.kept: list[dict[str, Any]] = []

    def record(self, entry: dict[str, Any]) -> None:
        """Keep the record."""
        self.kept.append(entry)
