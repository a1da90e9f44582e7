"""The system's processes as an operator starts them: batch stages to their end, the others until the stack goes down."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import tenacity
from rich.console import Console

from local_stack import process, stack

SHOWN = ("stage begins", "stage ends", "stage failed")
READY_SECONDS = 120.0


class DemoError(RuntimeError):
    """A part of the demo did not do what it should; the message names its log.

    Operator action: read the log that the message names, then `mainstem down` and run the demo again.
    """


def run_stages(stages: Sequence[str], log: Path, variables: Mapping[str, str], console: Console) -> None:
    """Run batch stages in a process of their own; show their begin and end, keep everything in the log."""
    log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "jobs.batch", *stages]
    with (
        log.open("a", encoding="utf-8") as kept,
        subprocess.Popen(
            command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env={**os.environ, **variables}
        ) as running,
    ):
        for line in running.stderr or ():
            kept.write(line)
            if any(words in line for words in SHOWN):
                console.print(f"  {line.rstrip()}", highlight=False, markup=False)
    if running.returncode:
        raise DemoError(
            f"batch stages {' '.join(stages)} ended with {running.returncode}; {log}:\n{process.last_lines(log)}"
        )


def start(name: str, log: Path, variables: Mapping[str, str], folder: Path) -> process.Member:
    """Start a long-running process (speed, merge, score, serve) in the care of the local stack."""
    assignments = [f"{key}={value}" for key, value in variables.items()]
    started = process.spawn(["env", *assignments, sys.executable, "-m", f"jobs.{name}"], log)
    return stack.register(name, started.pid, log, folder=folder)


def until(what: str, condition: object, seconds: float = READY_SECONDS, log: Path | None = None) -> None:
    """Wait until a function is true.

    Raises:
        DemoError: when it is not in time; with the last lines of the log.
    """
    waiting = tenacity.Retrying(
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(0.25),
        retry=tenacity.retry_if_result(lambda done: not done),
    )
    try:
        waiting(condition)  # type: ignore[arg-type]
    except tenacity.RetryError as error:
        told = f"; {log}:\n{process.last_lines(log)}" if log else ""
        raise DemoError(f"{what}: expected within {seconds:g} seconds, it was not{told}") from error
