"""`mainstem up` and `mainstem down`: the local broker and store."""

from __future__ import annotations

import typer

from local_stack import __main__ as commands


def register(app: typer.Typer) -> None:
    """Add the commands of the local stack to the application."""
    app.command(name="up")(commands.up)
    app.command(name="down")(commands.down)
    app.command(name="status")(commands.status)
