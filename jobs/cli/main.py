"""The command `mainstem`."""

from __future__ import annotations

import sys

import typer

from jobs.cli import ask, batch, config, data, demo, features, speed, stack, topics, workers
from jobs.process import guarded

app = typer.Typer(
    name="mainstem",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help=(
        "From raw data to monitored predictions, with one definition of every feature.\n\n"
        "Start with `mainstem up` and `mainstem demo`. Then look at one part at a time: `mainstem batch list`, "
        "`mainstem data ls`, `mainstem features ls`, `mainstem config show`, `mainstem speed status`, `mainstem ask --help`.\n\n"
        "Every command works on the project that MAINSTEM_PROJECT names; where it is unset, on the first folder of conf/ by "
        "name that is a project. MAINSTEM_STATE is the folder of that project's tables, and of no other's."
    ),
)
stack.register(app)
demo.register(app)
topics.register(app)
workers.register(app)
ask.register(app)
app.add_typer(batch.app, name="batch")
app.add_typer(data.app, name="data")
app.add_typer(features.app, name="features")
app.add_typer(speed.app, name="speed")
app.add_typer(config.app, name="config")


def main() -> None:
    """Run a command; a known error ends with its sentence, and without a trace."""
    sys.exit(guarded(lambda: app(standalone_mode=True)))
