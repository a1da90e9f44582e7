"""Tables by name: Delta below one folder. One writing process a table at a time, held to by a file lock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import orjson
from filelock import FileLock

from lambda_core.errors import SchemaError
from lambda_core.repositories.table_files import PRUNED_BY, Entry, add_files, create_with_files, replace_with_files

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyspark.sql import DataFrame, DataFrameWriter, SparkSession
    from pyspark.sql.types import StructType

    from lambda_core.repositories.state_folder import StateFolder
    from lambda_core.repositories.table_files import TableFile

    Transaction = tuple[str, int]
    """Application id and version: a commit with a version not above the last one of its application is skipped."""

_COMMIT = f"{'[0-9]' * 20}.json"


@dataclass(frozen=True)
class Commit:
    """What one commit added to a table.

    Attributes:
        application: whose transaction it was; None where it named none.
        rows: how many it added.
        greatest: column -> its greatest value among them; of the columns by which readers leave files out.
    """

    application: str | None
    rows: int
    greatest: dict[str, int]


class TableRepository(Protocol):
    """Versioned tables. Versions count up from 0 with every commit."""

    def exists(self, name: str) -> bool:
        """Tell whether the table was ever written."""
        ...

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table as it is now, or as it was at a version."""
        ...

    def append(
        self, name: str, frame: DataFrame, transaction: Transaction | None = None, note: str | None = None
    ) -> int:
        """Add the frame's rows, at most once a transaction; return the table's version."""
        ...

    def folder(self, name: str) -> Path:
        """Return the folder of a table, made where there is none: for files that become part of it by a commit."""
        ...

    def append_files(self, name: str, files: Sequence[TableFile], schema: StructType, transaction: Transaction) -> int:
        """Add files that lie in the table's folder, at most once a transaction; return the table's version."""
        ...

    def replace(self, name: str, frame: DataFrame, where: str | None = None, note: str | None = None) -> int:
        """Make the frame's rows the table's only ones, or its only ones of a condition; return the table's version."""
        ...

    def replace_files(self, name: str, files: Sequence[TableFile], schema: StructType, note: str | None = None) -> int:
        """Make files that lie in the table's folder its only ones; return the table's version."""
        ...

    def commit(self, name: str, version: int) -> Commit:
        """Return what the commit of a version added, without reading the table."""
        ...

    def note(self, name: str) -> str | None:
        """Return the note that the table's current version was written with, if it was written with one."""
        ...

    def version(self, name: str) -> int:
        """Return the table's current version."""
        ...


class DeltaTables:
    """Delta tables below a folder, one sub-folder a table.

    A local file system commits by exists-then-rename under a lock of one JVM, so that two writing processes could lose
    commits silently: every commit here happens under a file lock beside the table. The first one claims the state folder
    that they lie in, if one is given; in that of another project nothing is written.
    """

    def __init__(self, spark: SparkSession, folder: Path, state: StateFolder | None = None) -> None:
        self._spark = spark
        self._folder = folder
        self._state = state

    def folder(self, name: str) -> Path:
        """Return the folder of a table, made where there is none: for files that become part of it by a commit.

        Raises:
            ConfigError: when the state folder holds another project's tables.
        """
        self._claim()
        path = self._path(name)
        path.mkdir(parents=True, exist_ok=True)
        return path

    def lock(self, name: str) -> FileLock:
        """Return the lock that a commit to the table must hold.

        Raises:
            ConfigError: when the folder holds another project's tables.
        """
        self._claim()
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / f".{name}.lock")

    def _claim(self) -> None:
        if self._state is not None:
            self._state.claim()

    def _path(self, name: str) -> Path:
        return self._folder / name

    def exists(self, name: str) -> bool:
        """Tell whether the table was ever written; the folder of its first commit, still under way, is not enough."""
        return next(self._commits(name), None) is not None

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table as it is now, or as it was at a version.

        Raises:
            SchemaError: when the table was never written.
        """
        if not self.exists(name):
            raise SchemaError(f"table {name}: expected below {self._folder}, found none; run the stage that writes it")
        reader = self._spark.read.format("delta")
        if version is not None:
            reader = reader.option("versionAsOf", version)
        return reader.load(str(self._path(name)))

    def append(
        self, name: str, frame: DataFrame, transaction: Transaction | None = None, note: str | None = None
    ) -> int:
        """Add the frame's rows, at most once a transaction; return the table's version.

        Args:
            name: the table.
            frame: the rows.
            transaction: whose rows these are; None adds them in any case.
            note: what is to be known of the new version without reading the table.
        """
        with self.lock(name):
            writer = self._writer(name, frame, note).mode("append")
            if transaction is not None:
                application, number = transaction
                writer = writer.option("txnAppId", application).option("txnVersion", number)
            writer.save(str(self._path(name)))
            return self.version(name)

    def append_files(self, name: str, files: Sequence[TableFile], schema: StructType, transaction: Transaction) -> int:
        """Add files that lie in the table's folder, at most once a transaction; return the table's version.

        Args:
            name: the table.
            files: the files; their columns are the table's.
            schema: the columns by which the table is made if it was never written.
            transaction: whose rows these are.
        """
        folder = self._path(name)
        with self.lock(name):
            if self.exists(name):
                add_files(folder, files, transaction)
            else:
                create_with_files(folder, files, schema.json(), _skipping(schema.names), Entry(transaction))
            return self.version(name)

    def replace(self, name: str, frame: DataFrame, where: str | None = None, note: str | None = None) -> int:
        """Make the frame's rows the table's only ones, or its only ones of a condition; return the table's version.

        Args:
            name: the table.
            frame: the rows; where there is a condition, all of them must meet it.
            where: Spark SQL over the table's columns; rows that do not meet it stay. None: none stays.
            note: what is to be known of this version without reading the table.
        """
        with self.lock(name):
            writer = self._writer(name, frame, note).mode("overwrite")
            if where is None or not self.exists(name):
                writer = writer.option("overwriteSchema", "true")
            else:
                writer = writer.option("replaceWhere", where)
            writer.save(str(self._path(name)))
            return self.version(name)

    def replace_files(self, name: str, files: Sequence[TableFile], schema: StructType, note: str | None = None) -> int:
        """Make files that lie in the table's folder its only ones; return the table's version.

        Args:
            name: the table.
            files: the files; their columns are the schema's.
            schema: the columns of this version, which need not be those of the one before.
            note: what is to be known of this version without reading the table.
        """
        folder, entry = self._path(name), Entry(note=note)
        with self.lock(name):
            if self.exists(name):
                replace_with_files(folder, files, schema.json(), entry)
            else:
                create_with_files(folder, files, schema.json(), _skipping(schema.names), entry)
            return self.version(name)

    def _writer(self, name: str, frame: DataFrame, note: str | None) -> DataFrameWriter:
        writer = frame.write.format("delta")
        if not self.exists(name):
            writer = writer.options(**_skipping(frame.columns))
        return writer if note is None else writer.option("userMetadata", note)

    def version(self, name: str) -> int:
        """Return the table's current version."""
        return int(self._newest_commit(name).stem)

    def commit(self, name: str, version: int) -> Commit:
        """Return what the commit of a version added, as its entry in the table's log tells it."""
        actions = _actions(self._log(name) / f"{version:020}.json")
        application = next((action["txn"]["appId"] for action in actions if "txn" in action), None)
        files = [orjson.loads(action["add"]["stats"]) for action in actions if "add" in action]
        greatest: dict[str, int] = {}
        for column, value in (pair for file in files for pair in file.get("maxValues", {}).items()):
            greatest[column] = max(value, greatest.get(column, value))
        return Commit(application, sum(file["numRecords"] for file in files), greatest)

    def note(self, name: str) -> str | None:
        """Return the note that the table's current version was written with, if it was written with one."""
        actions = _actions(self._newest_commit(name))
        notes = [action["commitInfo"].get("userMetadata") for action in actions if "commitInfo" in action]
        return next(iter(notes), None)

    def _newest_commit(self, name: str) -> Path:
        # Its name says the version, as the protocol has it; Delta's history would run a job to read it.
        return max(self._commits(name))

    def _commits(self, name: str) -> Iterator[Path]:
        return self._log(name).glob(_COMMIT)

    def _log(self, name: str) -> Path:
        return self._path(name) / "_delta_log"


def _skipping(columns: Sequence[str]) -> dict[str, str]:
    """Return the setting of a new table that names those of its columns by which readers leave files out."""
    pruned_by = [f"`{column}`" for column in PRUNED_BY if column in columns]
    return {"delta.dataSkippingStatsColumns": ",".join(pruned_by)} if pruned_by else {}


def _actions(commit: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in commit.read_bytes().splitlines()]
