"""One Spark session a process: loopback, UTC, Delta Lake and the Kafka connector."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from lambda_core.config.environment import Environment

JARS = (Path(__file__).resolve().parents[2] / ".jars").resolve() / "spark"
"""By its own name where it is linked to: an archive fits one spelling of the class path alone."""
ARCHIVE = JARS.parent / "spark.jsa"
"""Spark's classes as a JVM keeps them in memory, made by `make setup`: a session starts in half the time."""

REQUIRED = {
    # A bad expression gives null, which the record's own reasons then name; it never stops a query.
    "spark.sql.ansi.enabled": "false",
    "spark.sql.session.timeZone": "UTC",
}
"""What every session must have for the definitions to mean the same everywhere, whoever started it."""

DELTA = {
    "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
    "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
    # A table of few commits: each task that looks at its state first generates its code anew.
    "spark.databricks.delta.snapshotPartitions": "1",
}
FILES = {
    # A column of few values still gets a dictionary of them; one of many, such as a text as it came or a mean, would
    # be looked up value by value until its dictionary was a megabyte, for nothing.
    "spark.hadoop.parquet.dictionary.page.size": "65536",
    # Smaller files than by Spark's own choice, for as much work.
    "spark.sql.parquet.compression.codec": "zstd",
}
"""What Parquet files are written with: 40 per cent less work than by Spark's own settings, and a fifth less to store."""
SMALL = {
    # Files of raw tables are small: by these, tasks get equal shares of them.
    "spark.sql.files.openCostInBytes": "262144",
    # A run has hundreds of small queries of its own and of Delta's; code of all of them is to stay compiled.
    "spark.sql.codegen.cache.maxEntries": "2000",
    # Each byte of a shuffle is hashed to notice a task that writes other rows when it is done again, as it is where a
    # machine of a cluster is lost.
    "spark.sql.shuffle.orderIndependentChecksum.enabled": "false",
    "spark.sql.shuffle.orderIndependentChecksum.enableFullRetryOnMismatch": "false",
    # What is kept for a few passes is not worth being compressed.
    "spark.sql.inMemoryColumnarStorage.compressed": "false",
    # Else every function of a column tells the JVM the line of Python that called it: a dozen round trips in place of
    # one, for an error's context that our own sentences do not use.
    "spark.python.sql.dataFrameDebugging.enabled": "false",
    # A checkpoint's files without a file of checksums beside each: to write one starts a process (`chmod`).
    "spark.hadoop.fs.AbstractFileSystem.file.impl": "org.apache.hadoop.fs.local.RawLocalFs",
}
WORKERS = {
    # What a Python worker has freed it takes again for the next rows. By the defaults of Arrow and of the C library it
    # goes back to the system, and every page of it has to be cleared anew: several times the work of the columns' own.
    "spark.executorEnv.ARROW_DEFAULT_MEMORY_POOL": "system",
    "spark.executorEnv.MALLOC_MMAP_THRESHOLD_": str(1 << 30),
    "spark.executorEnv.MALLOC_TRIM_THRESHOLD_": str(1 << 28),
    # To learn how many bytes a batch has, Spark asks every column behind every row, which costs more than to write them.
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
    "spark.sql.execution.arrow.maxRecordsPerBatch": "1000",
}
"""How rows reach Python workers, and what these do with memory."""
LOCAL = {**REQUIRED, **DELTA, **FILES, **SMALL, **WORKERS}
"""What a session on one machine has, whoever makes it."""
JVM = (
    # The code that Spark generates for a wide table is longer than what HotSpot compiles unless it is told to.
    "-XX:-DontCompileHugeMethods",
    # Few cores and short jobs: a collector without threads of its own beside the work.
    "-XX:+UseParallelGC",
    # Hadoop starts a process for every file that it writes; this way costs half as much.
    "-Djdk.lang.Process.launchMechanism=VFORK",
    "-Duser.timezone=UTC",
)
_LOOPBACK = {
    "spark.driver.host": "127.0.0.1",
    "spark.driver.bindAddress": "127.0.0.1",
    "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}


def build_session(environment: Environment, app_name: str, *, streaming: bool = False) -> SparkSession:
    """Return the session of this process: the one there is, spark-submit's, or a local one.

    Settings given to spark-submit win over the environment's; only `REQUIRED` is set on every session.

    Args:
        environment: master, memory, shuffle partitions and folders of a local session.
        app_name: name of the application where this call starts it.
        streaming: whether to have the task slots that streaming queries keep (`spark.streaming_master`).

    Raises:
        ConfigError: when the jars are missing.
    """
    from pyspark.sql import SparkSession  # the core stays importable without starting to load Spark

    session = SparkSession.getActiveSession()
    if session is None:
        builder = SparkSession.builder.appName(app_name)
        if not _is_submitted():
            _prepare_process(environment)
            for key, value in _local_settings(environment, streaming=streaming).items():
                builder = builder.config(key, value)
        session = builder.getOrCreate()
        session.sparkContext.setLogLevel("ERROR")
    for key, value in REQUIRED.items():
        session.conf.set(key, value)
    tell_errors_once()
    return session


def tell_errors_once() -> None:
    """Keep PySpark from logging every refused expression itself, a page of JSON, before it raises the error."""
    from pyspark.logger import PySparkLogger

    for name in ("SQLQueryContextLogger", "DataFrameQueryContextLogger"):
        PySparkLogger.getLogger(name).disabled = True


def _is_submitted() -> bool:
    """Tell whether spark-submit started this process, and so has settled master, memory and jars."""
    return "PYSPARK_GATEWAY_PORT" in os.environ


def _prepare_process(environment: Environment) -> None:
    """Make Spark bind to loopback and run this Python; only for a JVM that this process starts itself."""
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
    os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
    os.environ.setdefault("PYSPARK_DRIVER_PYTHON", sys.executable)
    environment.state.mkdir(parents=True, exist_ok=True)


def _local_settings(environment: Environment, *, streaming: bool) -> dict[str, str]:
    settings = environment.spark
    state = environment.state.absolute()
    return {
        **LOCAL,
        **_LOOPBACK,
        "spark.master": settings.streaming_master if streaming else settings.master,
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in jars()),
        "spark.driver.memory": settings.driver_memory,
        "spark.sql.shuffle.partitions": str(settings.shuffle_partitions),
        "spark.sql.warehouse.dir": str(state / "warehouse"),
        "spark.local.dir": str(state / "spark"),
        "spark.driver.extraJavaOptions": " ".join((*JVM, *archived(ARCHIVE), f"-Dderby.system.home={state}")),
    }


def archived(archive: Path) -> tuple[str, ...]:
    """Return the options of a JVM that takes its classes from an archive, if there is one.

    A JVM that it does not fit goes without, and without a word.
    """
    return (f"-XX:SharedArchiveFile={archive}", "-Xlog:cds=off", "-Xlog:cds+dynamic=off") if archive.exists() else ()


def jars() -> list[Path]:
    """Return the jars beside Spark's own, in the order that the archive was made with.

    Raises:
        ConfigError: when they are missing.
    """
    found = sorted(JARS.glob("*.jar"))
    if not found:
        raise ConfigError(f"expected Spark's jars in {JARS}, found none; run: make setup")
    return found
