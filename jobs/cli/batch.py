"""`mainstem batch`: the batch stages, one by one or all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from jobs import batch as job
from jobs.process import context
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
    *,
    full: Annotated[
        bool, typer.Option("--full", help="ingestion: look at all of a source; preparation: prepare all records anew.")
    ] = False,
) -> None:
    """Run stages in one Spark session; each leaves a line in the audit trail."""
    unknown = [name for name in stages or [] if name not in STAGES]
    if unknown:
        raise typer.BadParameter(f"expected one of {', '.join(STAGES)}; found {', '.join(unknown)}")
    part = [word for name in source or [] for word in ("--source", name)] + (["--since", since] if since else [])
    part += ["--full"] if full else []
    raise typer.Exit(job.main([*(stages or []), *part]))


@app.command()
def revert(
    model: Annotated[str | None, typer.Option(help="Take this model back; when left out, the batch view.")] = None,
) -> None:
    """Let what answered before answer again, with one flip: the previous view, or a model's previous version.

    Example: mainstem batch revert --model churn
    """
    from batch_layer.deployment.deploy import revert_model  # Spark and MLflow are loaded by what needs them
    from batch_layer.publishing.revert import revert as revert_view

    if model is None:
        back = revert_view(context())
        print(f"view {back.generation} answers again, {back.reverted} is kept as the previous one")
    else:
        deployed = revert_model(context(), model)
        print(f"{model} version {deployed.version} answers again, {deployed.previous} is kept as the previous one")
