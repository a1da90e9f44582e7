"""Who publishes: one view after the other while everything runs, by a batch process that is killed at fail points too."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Protocol, Self

from jobs.batch import DONE
from tests.crash.system import AT_FAIL_POINT, ROOT

STAGES = "preparation publishing"
REFUSED = re.compile(r"^(\w+Error): ([^:;,]*)", re.MULTILINE)


class Stages(Protocol):
    """What runs batch stages."""

    def run(self, request: str) -> bool:
        """Run them; tell whether they came to their end."""
        ...


class BatchProcess:
    """`jobs.batch --follow`, started again when it ended at a fail point.

    Attributes:
        points: fail points at which its next starts are to end. passed: at which it ended.
        refused: why stages did not come to their end otherwise.
    """

    def __init__(self, log: Path, variables: Mapping[str, str], points: Iterable[str] = ()) -> None:
        self._log, self._variables = log, variables
        self.points = deque(points)
        self.passed: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._process is not None:
            if self._process.stdin is not None:
                self._process.stdin.close()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(60)
            self._end()

    def run(self, request: str) -> bool:
        """Run stages; a process that ended at a fail point is replaced at the next call."""
        process = self._process or self._start()
        assert process.stdin is not None
        assert process.stderr is not None
        print(request, file=process.stdin, flush=True)
        said = []
        with self._log.open("a", buffering=1, encoding="utf-8") as kept:
            for line in process.stderr:
                kept.write(line)
                said.append(line)
                if DONE in line:
                    break
        text = "".join(said)
        if DONE in text:
            if "code=0" in said[-1]:
                return True
            found = REFUSED.findall(text)
            self.refused[": ".join(found[-1]) if found else "unknown"] += 1
            return False
        found = AT_FAIL_POINT.findall(text)
        if found and self.points:
            self.passed[found[-1]] += 1
            self.points.popleft()
        else:
            self.refused[text[-300:]] += 1
        self._end()
        return False

    def _start(self) -> subprocess.Popen[str]:
        variables = {**os.environ, **self._variables, "PYTHONPATH": str(ROOT), "MAINSTEM_LOG": "INFO"}
        variables.pop("JAVA_TOOL_OPTIONS", None)  # its code runs over a million records: worth being compiled well
        if self.points:
            variables["MAINSTEM_FAIL_AT"] = self.points[0]
        self._process = subprocess.Popen(
            [sys.executable, "-u", "-m", "jobs.batch", "--follow"],
            cwd=ROOT,
            env=variables,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        return self._process

    def _end(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None


class Publisher:
    """Publishes again and again from a thread of its own, with a pause in between.

    Attributes:
        done: when each publication came to its end (monotonic seconds).
    """

    def __init__(self, stages: Stages, pause_s: float) -> None:
        self._stages, self._pause_s = stages, pause_s
        self.done: list[float] = []
        self._stop = Event()
        self._thread = Thread(target=self._publish, name="publisher", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def _publish(self) -> None:
        while not self._stop.is_set():
            if self._stages.run(STAGES):
                self.done.append(time.monotonic())
                self._stop.wait(self._pause_s)
