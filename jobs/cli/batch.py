"""`mainstem batch`: the batch stages, one by one or all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import batch as job
from jobs.stages import STAGES

app = typer.Typer(no_args_is_help=True, help="Run the batch stages: from source files to a published view and model.")


@app.command("list")
def list_stages() -> None:
    """Print the stages in their order, each with the function that does it."""
    for name, (module, function, section) in STAGES.items():
        each = f", for each of {section}" if section else ""
        print(f"{name:<14} {module}.{function}{each}")


@app.command()
def run(
    stages: Annotated[
        list[str] | None, typer.Argument(help="Stages to run, in this order; all when none is named.")
    ] = None,
    source: Annotated[list[str] | None, typer.Option(help="Ingest and prepare only this source; repeatable.")] = None,
    since: Annotated[
        str | None, typer.Option(help="training_rows, scoring: only what asked from this moment on (ISO 8601, UTC).")
    ] = None,
) -> None:
    """Run stages in one Spark session; each leaves a line in the audit trail."""
    unknown = [name for name in stages or [] if name not in STAGES]
    if unknown:
        raise typer.BadParameter(f"expected one of {', '.join(STAGES)}; found {', '.join(unknown)}")
    part = [word for name in source or [] for word in ("--source", name)] + (["--since", since] if since else [])
    raise typer.Exit(job.main([*(stages or []), *part]))
