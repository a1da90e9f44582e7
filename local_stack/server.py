"""What the broker and the store have in common: a process on a port and a folder, started, asked, killed, restarted."""

from __future__ import annotations

import subprocess
from abc import ABC, abstractmethod
from pathlib import Path

import tenacity

from local_stack.errors import StackError
from local_stack.ports import LOOPBACK
from local_stack.process import STOP_SECONDS, last_lines, spawn

READY_SECONDS = 180.0


class ServerError(StackError):
    """A server of the local stack could not be started, or does not answer.

    Operator action: read the log that the message names; most often a port is taken or a program is not installed.
    """


class Server(ABC):
    """One server process on loopback, which keeps everything it has in one folder.

    Args:
        folder: where its data, settings and log are; a second start on the same folder finds the data again.
        port: the port on loopback to listen on.
    """

    name: str

    def __init__(self, folder: Path, port: int) -> None:
        self.folder = Path(folder).absolute()
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> Path:
        """The file that holds its output, over all its starts."""
        return self.folder / f"{self.name}.log"

    @property
    def address(self) -> str:
        """Host and port, as clients write them."""
        return f"{LOOPBACK}:{self.port}"

    @property
    def pid(self) -> int:
        """The process id of the running server."""
        if self._process is None:
            raise ServerError(f"{self.name}: expected a started server, found none: call start() first")
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """Whether the process that this object started is alive."""
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start the process and return at once; `wait_ready` waits until it answers."""
        if self.is_running:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        self._prepare()
        self._process = spawn(self._command(), self.log)

    def wait_ready(self, timeout: float = READY_SECONDS) -> None:
        """Return when the server answers; an error with the end of its log after `timeout` seconds, or when it died."""
        waiting = tenacity.Retrying(
            stop=tenacity.stop_after_delay(timeout),
            wait=tenacity.wait_fixed(0.1),
            retry=tenacity.retry_if_result(lambda ready: not ready),
        )
        try:
            waiting(self._ready_or_dead)
        except tenacity.RetryError as error:
            raise self._failure(f"no answer on {self.address} within {timeout:g} s") from error

    def kill(self) -> None:
        """End the process at once (SIGKILL), as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self, timeout: float = STOP_SECONDS) -> None:
        """Ask the process to end (SIGTERM), and force it after `timeout` seconds."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()

    def _ready_or_dead(self) -> bool:
        if not self.is_running:
            code = self._process.poll() if self._process else None
            raise self._failure(f"its process is not running (exit code {code})")
        return self._answers()

    def _failure(self, found: str) -> ServerError:
        return ServerError(
            f"{self.name}: expected it ready on {self.address}, found {found}. The end of {self.log}:\n{last_lines(self.log)}"
        )

    @abstractmethod
    def _prepare(self) -> None:
        """Write what the process reads when it starts."""

    @abstractmethod
    def _command(self) -> list[str]:
        """The program and its arguments."""

    @abstractmethod
    def _answers(self) -> bool:
        """Whether a client gets an answer now."""
