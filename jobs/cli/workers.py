"""`mainstem merge | score | serve`: the long-running processes, until Ctrl-C or SIGTERM."""

from __future__ import annotations

import typer

from jobs import merge as merge_job
from jobs import score as score_job
from jobs import serve as serve_job


def register(app: typer.Typer) -> None:
    """Add one command a long-running process to the application."""

    @app.command()
    def merge() -> None:
        """Run a merge worker: updates from the log into Redis, each applied once."""
        raise typer.Exit(merge_job.main())

    @app.command()
    def score() -> None:
        """Run a scoring worker: requests from the log to scores."""
        raise typer.Exit(score_job.main())

    @app.command()
    def serve() -> None:
        """Run the HTTP server: features, scores, health (address: environment's `api`, loopback by default)."""
        raise typer.Exit(serve_job.main())
