"""The jars of `jars.lock`: fetched once into `.jars/<section>`, and refused when their content is not the pinned one.

Fetching is one run of Ivy, from the jar that the pyspark package carries, with no version of its own to decide: every
dependency is named exactly, none is followed. Ivy's built-in settings know the public repository, so none is named here.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import quoteattr

from local_stack.errors import StackError

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "jars.lock"
FOLDER = ROOT / ".jars"
FETCH_SECONDS = 900.0

_SECTION = re.compile(r"\[([a-z]+)\]")
_LINE = re.compile(r"(?P<group>[\w.\-]+):(?P<artifact>[\w.\-]+):(?P<version>[\w.\-]+)  (?P<sha256>[0-9a-f]{64})")


class JarError(StackError):
    """A jar is missing, unreadable, or not what `jars.lock` pins.

    Operator action: what the message says; a wrong hash is never to be answered by editing the lock without asking why.
    """


@dataclass(frozen=True)
class Jar:
    """One pinned jar: a line of `jars.lock`."""

    section: str
    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The name of its file, as the repository gives it."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(lock: Path = LOCK) -> list[Jar]:
    """Every pinned jar, in the order of the file."""
    jars: list[Jar] = []
    section = ""
    for number, raw in enumerate(lock.read_text(encoding="utf-8").splitlines(), start=1):
        line = raw.strip()
        if not line or line.startswith("#"):
            continue
        if header := _SECTION.fullmatch(line):
            section = header[1]
        elif section and (fields := _LINE.fullmatch(line)):
            jars.append(Jar(section, **fields.groupdict()))
        else:
            raise JarError(f"{lock}, line {number}: expected `group:artifact:version  sha256`, found {line!r}")
    return jars


def class_path(section: str, folder: Path = FOLDER, lock: Path = LOCK) -> list[Path]:
    """The files of one section (`spark` or `broker`), in the order of the lock; an error if one is missing."""
    paths = [folder / section / jar.file_name for jar in read_lock(lock) if jar.section == section]
    missing = [path.name for path in paths if not path.exists()]
    if missing or not paths:
        found = f"{len(missing)} of {len(paths)} missing, first {missing[0]}" if missing else "no such section"
        raise JarError(
            f"{folder / section}: expected the jars of [{section}] in {lock.name}, found {found}: `make setup`"
        )
    return paths


def ensure(folder: Path = FOLDER, lock: Path = LOCK) -> int:
    """Make the folder hold exactly the pinned jars; gives how many had to be fetched (0 when it was complete)."""
    jars = read_lock(lock)
    stamp = folder / ".complete"
    stamped = hashlib.sha256(lock.read_bytes()).hexdigest()
    present = all((folder / jar.section / jar.file_name).exists() for jar in jars)
    if present and stamp.exists() and stamp.read_text(encoding="utf-8") == stamped:
        return 0
    stamp.unlink(missing_ok=True)
    missing = [jar for jar in jars if not (folder / jar.section / jar.file_name).exists()]
    if missing:
        _fetch(missing, folder)
    for jar in jars:
        verify(folder / jar.section / jar.file_name, jar)
    _remove_others(jars, folder)
    stamp.write_text(stamped, encoding="utf-8")
    return len(missing)


def verify(path: Path, jar: Jar) -> None:
    """Refuse a file whose content is not the pinned one; it is deleted, so that it can never be loaded."""
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found == jar.sha256:
        return
    path.unlink()
    raise JarError(
        f"{path}: expected SHA-256 {jar.sha256} as pinned in jars.lock, found {found}. The file was deleted; run"
        " `make setup` to fetch it again. If it comes back wrong, the repository serves other content: do not go on."
    )


def _fetch(jars: list[Jar], folder: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="mainstem-jars-") as scratch:
        module = Path(scratch, "ivy.xml")
        module.write_text(_ivy_module(jars), encoding="utf-8")
        pattern = f"{scratch}/out/[conf]/[artifact]-[revision].[ext]"
        arguments = ["-ivy", str(module), "-cache", f"{scratch}/cache", "-retrieve", pattern, "-warn"]
        try:
            done = subprocess.run(
                [java(), "-jar", str(_ivy()), *arguments],
                check=False,
                capture_output=True,
                text=True,
                timeout=FETCH_SECONDS,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise JarError(
                f"fetching jars: Java did not run Ivy to its end ({error}): is Java 17+ installed?"
            ) from error
        for jar in jars:
            fetched = Path(scratch, "out", jar.section, jar.file_name)
            if not fetched.exists():
                raise JarError(f"fetching jars: {jar.file_name} did not arrive. Ivy said:\n{done.stdout}{done.stderr}")
            verify(fetched, jar)
            (folder / jar.section).mkdir(parents=True, exist_ok=True)
            shutil.move(fetched, folder / jar.section / jar.file_name)


def _ivy_module(jars: list[Jar]) -> str:
    sections = "".join(f"<conf name={quoteattr(name)}/>" for name in dict.fromkeys(jar.section for jar in jars))
    dependencies = "\n".join(
        f"<dependency org={quoteattr(jar.group)} name={quoteattr(jar.artifact)} rev={quoteattr(jar.version)}"
        f" force='true' transitive='false' conf={quoteattr(jar.section + '->master')}/>"
        for jar in jars
    )
    return (
        "<ivy-module version='2.0'><info organisation='mainstem' module='jars'/>"
        f"<configurations>{sections}</configurations>\n<dependencies>\n{dependencies}\n</dependencies></ivy-module>\n"
    )


def _ivy() -> Path:
    spec = find_spec("pyspark")
    found = sorted(Path(spec.origin).parent.glob("jars/ivy-*.jar")) if spec and spec.origin else []
    if not found:
        raise JarError("fetching jars: the pyspark package with its Ivy jar is not installed: run `make setup`")
    return found[-1]


def java() -> str:
    """The command that runs Java: of `JAVA_HOME` where that is set, else the one on PATH."""
    home = os.environ.get("JAVA_HOME")
    return str(Path(home, "bin", "java")) if home else "java"


def _remove_others(jars: list[Jar], folder: Path) -> None:
    pinned = {folder / jar.section / jar.file_name for jar in jars}
    for path in folder.glob("*/*.jar"):
        if path not in pinned:
            path.unlink()


def main() -> int:
    """Fetch what is missing; the exit code says whether the jars are complete."""
    try:
        fetched = ensure()
    except JarError as error:
        print(f"setup: {error}", file=sys.stderr)
        return 1
    if fetched:
        print(f"setup: {fetched} jars fetched into .jars, every hash as pinned")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
