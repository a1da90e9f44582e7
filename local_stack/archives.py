"""Archives of the classes that Spark and the broker load, made once: with them a JVM starts in half the time.

Loading and verifying Spark's twenty thousand classes is most of what a cold session costs, and a killed query's successor is
one. Java keeps classes as they are in memory (class-data sharing) when it is told to at the end of a run that used them, and
takes them from there only while Java, the class path and every jar are what they were: else it loads them as ever. So an
archive can be missing, or old, without harm; `make setup` makes it anew when Java, Spark or a jar is another one.

References:
    OpenJDK: Dynamic CDS Archives. JEP 350, 2019.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from lambda_core.spark.session import ARCHIVE as SPARK
from local_stack import jars
from local_stack.broker import ARCHIVE as BROKER
from local_stack.broker import Broker
from local_stack.errors import StackError
from local_stack.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

STAMP = jars.FOLDER / ".archived"
SECONDS = 600.0
STOPPED_SECONDS = 60.0
"""How long a broker may take to end while it writes its archive."""


def ensure() -> bool:
    """Make the archives if they are missing, or of another Java, Spark or jar; tell whether they were made.

    Raises:
        StackError: when one could not be made; everything works without, slower.
    """
    made_from = _made_from()
    if SPARK.exists() and BROKER.exists() and STAMP.exists() and STAMP.read_text(encoding="utf-8") == made_from:
        return False
    for old in (STAMP, SPARK, BROKER):
        old.unlink(missing_ok=True)
    with TemporaryDirectory(prefix="mainstem-archives-") as scratch, ExitStack() as ends:
        broker = Broker(Path(scratch, "broker"), free_port())
        ends.callback(broker.stop, STOPPED_SECONDS)
        with _environment("JAVA_TOOL_OPTIONS", archived_at_exit(Path(scratch, BROKER.name))):
            broker.start()
        broker.wait_ready()
        _warm(broker.address, Path(scratch))
        broker.stop(STOPPED_SECONDS)
        for wanted in (SPARK, BROKER):
            made = Path(scratch, wanted.name)
            if not made.exists():
                raise StackError(f"{made.name}: expected Java to have written it at its end, found none")
            shutil.move(made, wanted)
    STAMP.write_text(made_from, encoding="utf-8")
    return True


def archived_at_exit(archive: Path) -> str:
    """Return the options of a JVM that writes its classes to an archive when it ends."""
    return f"-XX:ArchiveClassesAtExit={archive} -Xlog:cds=off -Xlog:cds+dynamic=off -Xlog:disable"


def _warm(kafka: str, scratch: Path) -> None:
    """Let a Spark work, and end when it has written its archive."""
    with _environment("SPARK_SUBMIT_OPTS", archived_at_exit(scratch / SPARK.name)):
        try:
            done = subprocess.run(
                [sys.executable, "-m", "local_stack.warming", kafka, str(scratch)],
                cwd=jars.ROOT,
                check=False,
                capture_output=True,  # read to its end, which is the JVM's
                text=True,
                timeout=SECONDS,
            )
        except subprocess.TimeoutExpired as error:
            raise StackError(f"expected a small Spark job within {SECONDS:g} s, found it still running") from error
    if done.returncode:
        raise StackError(
            f"expected a small Spark job to end well, found exit code {done.returncode}: {done.stderr[-2_000:]}"
        )


def _made_from() -> str:
    java = subprocess.run([jars.java(), "-version"], check=False, capture_output=True, text=True, timeout=60).stderr
    own = b"".join(Path(__file__).with_name(name).read_bytes() for name in ("archives.py", "warming.py"))
    return hashlib.sha256(
        b"\n".join([java.encode(), version("pyspark").encode(), str(jars.ROOT).encode(), jars.LOCK.read_bytes(), own])
    ).hexdigest()


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    """Set a variable for the processes that are started meanwhile."""
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def main() -> int:
    """Make what is missing; without an archive all works, so this never fails a set-up."""
    try:
        if not (SPARK.exists() and BROKER.exists()):
            print("setup: keeping the classes of Spark and the broker, so that they start in half the time (once)")
        ensure()
    except StackError as error:
        print(f"setup: no archive of classes, so Spark starts slower than it could: {error}", file=sys.stderr)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
