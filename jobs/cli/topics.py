"""`mainstem topics`: the topics that the project's sources are read from."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.process import context, guarded


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def topics(
        partitions: Annotated[int, typer.Option(min=1, help="Partitions of a topic that is made.")] = 2,
    ) -> None:
        """Make the topics of the project's sources where they are missing, stamped by the broker; tell what there is."""
        raise typer.Exit(guarded(lambda: _make(partitions)))


def _make(partitions: int) -> None:
    from lambda_core.repositories.source_topics import create_missing, stamped_by_producers
    from speed_layer.topics import source_topics

    own = context()
    servers, names = own.environment.kafka, sorted(set(source_topics(own.project).values()))
    made = create_missing(servers, names, partitions)
    strange = stamped_by_producers(servers, names)
    for name in names:
        print(f"{name}: {'made' if name in made else 'is there'}")
    for name in strange:
        print(
            f"{name}: its records carry their producers' time, and are cut into periods by it; for the broker's set "
            "message.timestamp.type=LogAppendTime"
        )
    if not names:
        print(f"{own.project.project}: no source has a topic")
