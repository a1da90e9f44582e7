"""Tables by name: Delta below one folder. One writing process a table at a time, held to by a file lock."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from filelock import FileLock

from lambda_core.errors import SchemaError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    Transaction = tuple[str, int]
    """Application id and version: a commit with a version not above the last one of its application is skipped."""


class TableRepository(Protocol):
    """Versioned tables. Versions count up from 0 with every commit."""

    def exists(self, name: str) -> bool:
        """Tell whether the table was ever written."""
        ...

    def read(self, name: str, version: int | None = None) -> DataFrame:
        """Return the table as it is now, or as it was at a version."""
        ...

    def append(self, name: str, frame: DataFrame, transaction: Transaction | None = None) -> int:
        """Add the frame's rows, at most once a transaction; return the table's version."""
        ...

    def replace(self, name: str, frame: DataFrame) -> int:
        """Make the frame's rows the table's only ones; return the table's version."""
        ...

    def version(self, name: str) -> int:
        """Return the table's current version."""
        ...


class DeltaTables:
    """Delta tables below a folder, one sub-folder a table.

    A local file system commits by exists-then-rename under a lock of one JVM, so that two writing processes could lose
    commits silently: every commit here happens under a file lock beside the table.
    """

    def __init__(self, spark: SparkSession, folder: Path) -> None:
        self._spark = spark
        self._folder = folder

    def path(self, name: str) -> Path:
        """Return the folder of a table."""
        return self._folder / name

    def lock(self, name: str) -> FileLock:
        """Return the lock that a commit to the table must hold."""
        self._folder.mkdir(parents=True, exist_ok=True)
        return FileLock(self._folder / f".{name}.lock")

    def exists(self, name: str) -> bool:
        """Tell whether the table was ever written."""
        return (self.path(name) / "_delta_log").is_dir()

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
        return reader.load(str(self.path(name)))

    def append(self, name: str, frame: DataFrame, transaction: Transaction | None = None) -> int:
        """Add the frame's rows, at most once a transaction; return the table's version."""
        writer = frame.write.format("delta").mode("append")
        if transaction is not None:
            application, number = transaction
            writer = writer.option("txnAppId", application).option("txnVersion", number)
        with self.lock(name):
            writer.save(str(self.path(name)))
            return self.version(name)

    def replace(self, name: str, frame: DataFrame) -> int:
        """Make the frame's rows the table's only ones; return the table's version."""
        with self.lock(name):
            writer = frame.write.format("delta").mode("overwrite").option("overwriteSchema", "true")
            writer.save(str(self.path(name)))
            return self.version(name)

    def version(self, name: str) -> int:
        """Return the table's current version."""
        from delta.tables import DeltaTable  # Spark only where a table is asked for

        history = DeltaTable.forPath(self._spark, str(self.path(name))).history(1)
        return int(history.first()["version"])  # type: ignore[index]
