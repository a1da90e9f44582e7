"""The system's processes as an operator starts them: batch stages to their end, the others until the stack goes down."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol, Self

import tenacity
from rich.console import Console

from jobs.batch import DONE
from lambda_core.errors import MainstemError
from local_stack import process, stack

SHOWN = ("stage begins", "stage ends", "stage failed")
READY_SECONDS = 120.0
TOLD = {"MAINSTEM_LOG": "INFO"}
"""What the demo waits for is told at this level."""


class DemoError(MainstemError):
    """A part of the demo did not do what it should; the message names its log.

    Operator action: read the log that the message names, then `mainstem down` and run the demo again.
    """


class RunsStages(Protocol):
    """What runs batch stages: a process of its own, or the one that asks."""

    def run(self, arguments: Sequence[str]) -> None:
        """Run what the arguments of `jobs.batch` ask for; an error when a stage failed."""
        ...


class Batch:
    """One process that runs batch stages when it is asked to, in one Spark session; everything it says is in its log.

    A second run finds the session warm, as it would in a scheduler's process.
    """

    def __init__(self, log: Path, variables: Mapping[str, str], console: Console) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        self._log, self._console = log, console
        self._process = subprocess.Popen(
            [sys.executable, "-m", "jobs.batch", "--follow"],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
            bufsize=1,
            env={**os.environ, **variables, **TOLD},
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self.close()

    def run(self, arguments: Sequence[str]) -> None:
        """Run what the arguments of `jobs.batch` ask for; show the begin and end of each stage.

        Raises:
            DemoError: when a stage failed; with the last lines of the log.
        """
        if self._process.stdin is None or self._process.stderr is None:
            raise DemoError("batch process: expected pipes to it, found none")
        print(shlex.join(arguments), file=self._process.stdin)
        with self._log.open("a", encoding="utf-8") as kept:
            for line in self._process.stderr:
                kept.write(line)
                kept.flush()
                if any(words in line for words in SHOWN):
                    self._console.print(f"  {line.rstrip()}", highlight=False, markup=False)
                if DONE in line:
                    if "code=0" in line:
                        return
                    break
        told = process.last_lines(self._log)
        raise DemoError(f"batch stages {' '.join(arguments)} failed; {self._log}:\n{told}")

    def close(self) -> None:
        """End the process: it follows nothing any more."""
        try:
            self._process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()


def start(name: str, log: Path, variables: Mapping[str, str], folder: Path) -> process.Member:
    """Start a long-running process (speed, merge, score, serve) in the care of the local stack."""
    assignments = [f"{key}={value}" for key, value in {**variables, **TOLD}.items()]
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
