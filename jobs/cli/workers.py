"""`mainstem merge | score | serve | listen`: the long-running processes, until Ctrl-C or SIGTERM."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import listen as listen_job
from jobs import merge as merge_job
from jobs import score as score_job
from jobs import serve as serve_job
from jobs.process import guarded

Partitions = Annotated[
    list[int] | None,
    typer.Option(help="Read this partition of the updates topic, alone or again for more; else a share."),
]


def register(app: typer.Typer) -> None:
    """Add one command a long-running process to the application."""

    @app.command()
    def merge(partition: Partitions = None) -> None:
        """Run a merge worker: updates from the log into Redis, each applied once. Several share the partitions."""
        raise typer.Exit(merge_job.main(partition))

    @app.command()
    def score() -> None:
        """Run a scoring worker: requests from the log to scores."""
        raise typer.Exit(score_job.main())

    @app.command()
    def serve() -> None:
        """Run the HTTP server: features, scores, health (address: environment's `api`, loopback by default)."""
        raise typer.Exit(serve_job.main())

    @app.command()
    def listen() -> None:
        """Run the batch stages whenever a message, or a schedule, says that a source has data; answer with messages."""
        raise typer.Exit(listen_job.main())

    @app.command()
    def announce(
        sources: Annotated[list[str], typer.Argument(help="The sources that have data.")],
        *,
        full: Annotated[
            bool, typer.Option("--full", help="Look at all of their records, not only at new ones.")
        ] = False,
    ) -> None:
        """Send the messages that sources have data: `mainstem listen` ingests, prepares and generates features.

        Example: mainstem announce orders customers
        """
        raise typer.Exit(guarded(lambda: listen_job.announce(sources, full=full)))
