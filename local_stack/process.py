"""Processes that outlive who started them, told apart by pid and start time, so that a recycled pid is never killed."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path

import psutil
from pydantic import BaseModel, ConfigDict

STOP_SECONDS = 15.0


class Member(BaseModel):
    """One process of the stack.

    Its name, its pid, when it started (seconds since 1970), its log, and the address that clients reach it by, if any.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    pid: int
    started: float
    log: Path
    address: str = ""


def spawn(command: list[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a program in a session of its own, its output appended to the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )


def identify(name: str, pid: int, log: Path, address: str = "") -> Member:
    """The member that a running process is."""
    return Member(name=name, pid=pid, started=psutil.Process(pid).create_time(), log=log, address=address)


def find(member: Member) -> psutil.Process | None:
    """The member's process while it runs; None once it has ended, though another may have its pid by now."""
    try:
        process = psutil.Process(member.pid)
        same = abs(process.create_time() - member.started) < 1.0
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def end(member: Member, seconds: float = STOP_SECONDS) -> bool:
    """Ask the process to end, force it after so many seconds; False when it had ended already."""
    process = find(member)
    if process is None:
        return False
    with contextlib.suppress(psutil.NoSuchProcess):
        process.terminate()
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(seconds)
    return True


def last_lines(log: Path, count: int = 15) -> str:
    """The end of a log, for an error message."""
    if not log.exists():
        return "(no log was written)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
