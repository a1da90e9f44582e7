"""`mainstem demo`: the whole system on a year of real data, with a report."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer


class Killable(StrEnum):
    """Processes that the demo can kill and start again."""

    SPEED = "speed"
    MERGE = "merge"
    SCORE = "score"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def demo(
        days: Annotated[int, typer.Option(min=1, max=30, help="Days of December to replay.")] = 7,
        rate: Annotated[int, typer.Option(min=1, help="Events a second.")] = 200,
        kill: Annotated[
            list[Killable] | None,
            typer.Option(help="Kill this process at a random moment of the replay, and start it again."),
        ] = None,
        since: Annotated[str, typer.Option(help="Begin of the batch load's files; later is quicker.")] = "2013-01-01",
    ) -> None:
        """Batch over January to November, then December replayed through Kafka; ends with a report.

        Starts its own broker and store on loopback; afterwards the system can be asked until `mainstem down`.
        """
        from demo.main import run_demo  # the demo loads the whole system

        raise typer.Exit(run_demo(days=days, rate=rate, kill=[name.value for name in kill or ()], since=since))
