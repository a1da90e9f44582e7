"""`mainstem ask`: one question to the serving layer, answered with where the answer came from."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs.process import context


def register(app: typer.Typer) -> None:
    """Add the command to the application."""

    @app.command()
    def ask(
        feature_set: Annotated[str, typer.Argument(help="The vector to ask for, e.g. as `config show` lists it.")],
        key: Annotated[list[str], typer.Option("--key", help="An entity's key column: column=value; repeat for each.")],
        at: Annotated[str | None, typer.Option(help="Moment to ask for, ISO 8601 in UTC; now when left out.")] = None,
    ) -> None:
        """Ask for one entity's features, merged from both views, with generation, horizon and positions.

        Example: mainstem ask checkout --key customer=42 --key shop=berlin
        """
        from serving_layer.client.ask import ask as answer  # serving is loaded by what serves

        for pair in key:
            if "=" not in pair:
                raise typer.BadParameter(f"--key: expected column=value, found {pair!r}")
        answer(context(), feature_set, dict(pair.split("=", 1) for pair in key), at)
