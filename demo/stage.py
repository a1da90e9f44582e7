"""Where the demo runs, and what: folders and addresses, the console, processes, and how long each step took."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from lambda_core.config.environment import Environment
from local_stack import state
from local_stack.process import Member

PROJECT, FEATURE_SET, MODEL = "flights", "departure", "late_arrival"
CONF = Path("conf") / PROJECT
REPORT = Path("build/demo-report.json")


@dataclass(frozen=True)
class Place:
    """Where the demo runs and leaves its report; the default is what `mainstem down` and `mainstem ask` know.

    Attributes:
        environment: YAML file of folders, ports and Spark's settings. stack: folder of broker, store and processes.
    """

    environment: Path = Path("conf/environments/local.yaml")
    stack: Path = state.FOLDER
    report: Path = REPORT


@dataclass
class Stage:
    """The demo's surroundings: addresses and folders, the console, processes, and how long each step took."""

    place: Place
    environment: Environment
    variables: dict[str, str]
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Return the folder of the processes' logs."""
        return self.environment.state.absolute() / "logs"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say what begins, and keep how long it took."""
        self.console.rule(f"[bold]{name}", align="left")
        begin = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begin
