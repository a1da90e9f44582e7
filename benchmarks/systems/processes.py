"""Servers and processes of a benchmark: free ports, one folder, and everything that was started ended by its own pid."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from local_stack.broker import Broker
from local_stack.ports import free_port
from local_stack.process import last_lines, spawn
from local_stack.store import Store

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "benchmarks"
LOGS = BUILD / "logs"
"""What the processes of the last run said."""
STOP_S = 20.0


@dataclass(frozen=True)
class Servers:
    """Where a benchmark's broker and store are, and its folder."""

    kafka: str
    redis: str
    folder: Path
    pids: dict[str, int]


class LastingBroker(Broker):
    """The local stack's broker, compiled as one that runs for months would be."""

    def _command(self) -> list[str]:
        return [word for word in super()._command() if word != "-XX:TieredStopAtLevel=1"]


@contextmanager
def servers() -> Iterator[Servers]:
    """Start a broker and a store in a temporary folder; end both."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        broker, store = LastingBroker(folder / "broker", free_port()), Store(folder / "store", free_port())
        try:
            for server in (broker, store):
                server.start()
            for server in (broker, store):
                server.wait_ready()
            yield Servers(broker.address, store.url, folder, {"broker": broker.pid, "redis": store.pid})
        finally:
            broker.stop()
            store.stop()


class Program:
    """A process in a session of its own, with all that it starts; its output goes to a log."""

    def __init__(self, name: str, command: list[str], folder: Path) -> None:
        self.name = name
        self._log = LOGS / f"{name}.log"
        self._log.unlink(missing_ok=True)
        before = Path.cwd()
        os.chdir(folder)
        try:
            self._process: subprocess.Popen[bytes] = spawn(command, self._log)
        finally:
            os.chdir(before)

    @property
    def pid(self) -> int:
        """Return the id of the process, which is that of its group as well."""
        return self._process.pid

    def refuse_ended(self) -> None:
        """Raise, with the end of its log, when it does not run."""
        if self._process.poll() is not None:
            raise RuntimeError(f"{self.name} ended with {self._process.returncode}:\n{last_lines(self._log, 40)}")

    def suspend(self) -> None:
        """Let it stand still."""
        os.killpg(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        os.killpg(self.pid, signal.SIGCONT)

    def end(self) -> None:
        """End it and all that it started: by SIGTERM, then what is left of it by SIGKILL."""
        with suppress(ProcessLookupError):
            self.resume()
            self._process.terminate()
        with suppress(Exception):
            self._process.wait(STOP_S)
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(STOP_S)

    def cpu_s(self) -> float:
        """Return the processor seconds of it and its children so far."""
        with suppress(psutil.NoSuchProcess):
            own = psutil.Process(self.pid)
            return sum(sum(one.cpu_times()[:2]) for one in (own, *own.children(recursive=True)))
        return 0.0


def python(*words: str) -> list[str]:
    """Return the command of this Python."""
    return [sys.executable, *words]


def cpu_s_of(pid: int) -> float:
    """Return the processor seconds of one process so far."""
    return float(sum(psutil.Process(pid).cpu_times()[:2]))
