"""What a run read and wrote: table name and version, worked out around the stage and not inside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pyspark.sql import DataFrame
    from pyspark.sql.types import StructType

    from lambda_core.repositories.table_files import TableFile
    from lambda_core.repositories.tables import Commit, TableRepository, Transaction


@dataclass
class Lineage:
    """Tables read and written by one run: name -> version."""

    read: dict[str, int] = field(default_factory=dict)
    written: dict[str, int] = field(default_factory=dict)


class TracedTables:
    """A table repository that notes every read and write on their way to the real one."""

    def __init__(self, tables: TableRepository, lineage: Lineage) -> None:
        self._tables = tables
        self.lineage = lineage

    def exists(self, name: str) -> bool:
        """Tell whether the table was ever written."""
        return self._tables.exists(name)

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table at a version; the present one is pinned, so that the run's record says what it saw."""
        frame = self._tables.read(name, version)
        self.lineage.read[name] = self._tables.version(name) if version is None else version
        return frame

    def append(
        self, name: str, frame: DataFrame, transaction: Transaction | None = None, note: str | None = None
    ) -> int:
        """Add the frame's rows; note the version."""
        self.lineage.written[name] = self._tables.append(name, frame, transaction, note)
        return self.lineage.written[name]

    def folder(self, name: str) -> Path:
        """Return the folder of a table, for files that become part of it by a commit."""
        return self._tables.folder(name)

    def append_files(self, name: str, files: Sequence[TableFile], schema: StructType, transaction: Transaction) -> int:
        """Add files that lie in the table's folder; note the version."""
        self.lineage.written[name] = self._tables.append_files(name, files, schema, transaction)
        return self.lineage.written[name]

    def replace(self, name: str, frame: DataFrame, where: str | None = None, note: str | None = None) -> int:
        """Make the frame's rows the table's only ones, or its only ones of a condition; note the version."""
        self.lineage.written[name] = self._tables.replace(name, frame, where, note)
        return self.lineage.written[name]

    def replace_files(self, name: str, files: Sequence[TableFile], schema: StructType, note: str | None = None) -> int:
        """Make files that lie in the table's folder its only ones; note the version."""
        self.lineage.written[name] = self._tables.replace_files(name, files, schema, note)
        return self.lineage.written[name]

    def commit(self, name: str, version: int) -> Commit:
        """Return what the commit of a version added; the version is one that was written."""
        return self._tables.commit(name, version)

    def note(self, name: str) -> str | None:
        """Return the note that the table's current version was written with; it says what is in that version."""
        self.lineage.read[name] = self._tables.version(name)
        return self._tables.note(name)

    def version(self, name: str) -> int:
        """Return the table's current version."""
        return self._tables.version(name)
