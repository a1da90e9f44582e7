"""The system under crash: broker, Redis and the product's processes as an operator starts them, watched and started again.

Every end is by SIGKILL: of the process and all that it started by this harness, or of the process alone by itself, at a
fail point. What ended is started again at once, with the same data.
"""

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
from threading import Event, RLock, Thread
from typing import Self

from local_stack.broker import Broker
from local_stack.ports import free_port
from local_stack.process import last_lines
from local_stack.store import Store

ROOT = Path(__file__).parents[2]
AT_FAIL_POINT = re.compile(r"^fail point (\S+): this process ends here$", re.MULTILINE)
AGAIN_S = 0.2


class Process:
    """One process of the product, and every start of it.

    Attributes:
        points: fail points at which its starts are to end, as `MAINSTEM_FAIL_AT` says them; the first start lives.
        ended: what it ended by that was not this harness: a fail point's name, or the last line of its log.
    """

    def __init__(self, name: str, log: Path, variables: Mapping[str, str], points: Iterable[str] = ()) -> None:
        self.name, self.log, self._variables = name, log, variables
        self.points = deque(points)
        self.ended: Counter[str] = Counter()
        self.passed: Counter[str] = Counter()
        self.starts = 0
        self.wanted = False
        self._begin = 0
        self._running: subprocess.Popen[bytes] | None = None
        self._lock = RLock()

    def start(self) -> None:
        """Start it; from then on it is started again whenever it ends."""
        with self._lock:
            self.wanted, self.starts = True, self.starts + 1
            variables = {**os.environ, **self._variables, "PYTHONPATH": str(ROOT)}
            if self.points and self.starts > 1:
                variables["MAINSTEM_FAIL_AT"] = self.points[0]
            with self.log.open("ab") as output:
                self._begin = output.tell()
                self._running = subprocess.Popen(
                    [sys.executable, "-u", "-m", f"jobs.{self.name.rstrip('0123456789')}"],
                    cwd=ROOT,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )

    @property
    def is_running(self) -> bool:
        return self._running is not None and self._running.poll() is None

    def has_said(self, text: str) -> bool:
        """Tell whether this start has said it: one that is only beginning ends by SIGTERM as any program does."""
        with self._lock:  # while it is started again, the last start's words are no longer its own
            return text.encode() in self.log.read_bytes()[self._begin :]

    def kill(self) -> None:
        """End it and everything that it started, by SIGKILL; then start it again."""
        with self._lock:
            self._end_all()
            self.start()

    def leave(self, seconds: float = 30) -> int:
        """Ask it to end (SIGTERM); return its exit code. It is not started again."""
        with self._lock:
            self.wanted = False
            if self._running is None:
                return 0
            self._running.terminate()
            try:
                return self._running.wait(seconds)
            except subprocess.TimeoutExpired:
                self._end_all()
                return -signal.SIGKILL

    def look(self) -> None:
        """Start it again if it ended, and keep why."""
        with self._lock:
            if not self.wanted or self._running is None or self._running.poll() is None:
                return
            why = self._why()
            if self.points and why == self.points[0].partition(":")[0]:
                self.points.popleft()
                self.passed[why] += 1
            else:
                self.ended[why] += 1
            self._end_all()
            time.sleep(AGAIN_S)
            self.start()

    def _why(self) -> str:
        # All of this start's lines: its JVM, which lives a moment longer, has its own last words.
        found = AT_FAIL_POINT.findall(self.log.read_bytes()[self._begin :].decode(errors="replace"))
        return found[-1] if found else last_lines(self.log, 3).replace("\n", " ")[-300:]

    def _end_all(self) -> None:
        if self._running is not None:
            with suppress(ProcessLookupError):
                os.killpg(self._running.pid, signal.SIGKILL)
            self._running.wait()


class Servers:
    """Broker and Redis of a run; killed and started again on the same port and folder."""

    def __init__(self, folder: Path) -> None:
        self.broker, self.redis = Broker(folder / "broker", free_port()), Store(folder / "redis", free_port())

    def __enter__(self) -> Self:
        for server in (self.broker, self.redis):
            server.start()
        for server in (self.broker, self.redis):
            server.wait_ready()
        return self

    def __exit__(self, *raised: object) -> None:
        for server in (self.broker, self.redis):
            server.stop()

    def kill(self, name: str, cut: int = 0) -> None:
        """Kill `broker` or `redis` and start it again; of Redis' append-only file, cut off so many bytes in between."""
        server = self.broker if name == "broker" else self.redis
        server.kill()
        if cut:
            self._cut(cut)
        server.start()

    def _cut(self, length: int) -> None:
        files = sorted((self.redis.folder / "data" / "appendonlydir").glob("*.incr.aof"))
        size = files[-1].stat().st_size
        os.truncate(files[-1], max(0, size - length))


class System:
    """All of it: servers, the query, the workers, and who looks after them."""

    def __init__(self, servers: Servers, processes: Iterable[Process]) -> None:
        self.servers = servers
        self.processes = {process.name: process for process in processes}
        self._stop = Event()
        self._watch = Thread(target=self._look, name="supervisor", daemon=True)

    def __enter__(self) -> Self:
        for process in self.processes.values():
            process.start()
        self._watch.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._watch.join()
        for process in self.processes.values():
            process.leave()

    def kill(self, name: str, cut: int = 0) -> None:
        """Kill one of the five."""
        if name in self.processes:
            self.processes[name].kill()
        else:
            self.servers.kill(name, cut)

    @property
    def passed(self) -> Counter[str]:
        """Return the fail points at which processes ended."""
        return sum((process.passed for process in list(self.processes.values())), Counter())

    def _look(self) -> None:
        while not self._stop.wait(0.1):
            for process in list(self.processes.values()):
                process.look()
