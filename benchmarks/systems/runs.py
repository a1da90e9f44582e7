"""Runs of offline systems: each in a process of its own, with its seconds, its processor time, and its peak of memory.

A program says `warm` once it has worked on a small folder, and in its last line, as JSON, the `seconds` it then took for
the other one. What it is, Spark's JVM and the workers that it starts included, is looked at ten times a second.
"""

from __future__ import annotations

import json
import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil
from rich.console import Console
from rich.table import Table

from benchmarks.systems.processes import LOGS
from local_stack.process import last_lines, spawn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

MOST_S, MOST_MB = 600.0, 12 * 1024.0
"""What stops a run: ten minutes after it was warm, or twelve GiB."""
_LOOK_S = 0.1
_MB = 1024 * 1024


@dataclass(frozen=True)
class Run:
    """What came of a run.

    Attributes:
        seconds: for the measured work; None when it was stopped or failed: `why` says what happened.
        cpu_s: processor seconds of all its processes, from when it was warm.
        peak_mb: the most memory of all its processes together; jvm_mb, python_mb: of these alone.
    """

    seconds: float | None
    cpu_s: float
    peak_mb: float
    jvm_mb: float
    python_mb: float
    why: str = ""


class _Watch:
    """The memory and the processor time of a process with all that it starts."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._cpu: dict[int, float] = {}
        self.peaks = [0.0, 0.0, 0.0]

    def look(self) -> None:
        with suppress(psutil.NoSuchProcess):
            jvm = python = 0.0
            for one in (self._process, *self._process.children(recursive=True)):
                with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                    is_jvm, self._cpu[one.pid] = one.name() == "java", sum(one.cpu_times()[:2])
                    # Workers share what they were forked with: of that, each has its part.
                    size = (one.memory_info().rss if is_jvm else one.memory_full_info().pss) / _MB
                    jvm, python = (jvm + size, python) if is_jvm else (jvm, python + size)
            self.peaks = [max(pair) for pair in zip(self.peaks, (jvm + python, jvm, python), strict=True)]

    def cpu_s(self) -> float:
        return sum(self._cpu.values())


def run(name: str, command: list[str], most_s: float = MOST_S) -> Run:
    """Run a program to its end, or until it takes more time or memory than it may."""
    log = LOGS / f"{name}.log"
    log.unlink(missing_ok=True)
    process = spawn(command, log)
    watch, warm_s, before, why = _Watch(process.pid), float("inf"), 0.0, ""
    try:
        while process.poll() is None and not why:
            watch.look()
            if warm_s == float("inf") and _is_warm(log):
                warm_s, before = time.monotonic(), watch.cpu_s()
            if time.monotonic() - warm_s > most_s:
                why = f"more than {most_s:.0f} s"
            elif watch.peaks[0] > MOST_MB:
                why = f"more than {MOST_MB / 1024:.0f} GiB"
            time.sleep(_LOOK_S)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    seconds = None if why else _seconds(log)
    if seconds is None and not why:
        why = f"it failed:\n{last_lines(log)}"
    return Run(seconds, watch.cpu_s() - before, *watch.peaks, why)


def _is_warm(log: Path) -> bool:
    return "warm" in log.read_text(errors="replace").splitlines()


def _seconds(log: Path) -> float | None:
    said = [line for line in last_lines(log, 5).splitlines() if line.startswith('{"seconds"')]
    return float(json.loads(said[-1])["seconds"]) if said else None


def show(title: str, runs: Mapping[str, Sequence[Run]]) -> None:
    """Print what each system took."""
    table = Table("system", "seconds", "processor s", "peak MB", "of it JVM", "and Python", title=title)
    for name, own in runs.items():
        seconds = ", ".join(f"{one.seconds:.1f}" if one.seconds is not None else one.why for one in own)
        last = own[-1]
        figures = (last.cpu_s, last.peak_mb, last.jvm_mb, last.python_mb)
        table.add_row(name, seconds, *(f"{figure:,.0f}" for figure in figures))
    Console(width=160).print(table)
