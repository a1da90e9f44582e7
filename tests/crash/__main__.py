"""Run the crash runs: `python -m tests.crash` (`make crash`); `--seed N` lives through the plan of a seed again."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from tests.crash.judging import Judgement
from tests.crash.plan import FIVE, LIVE_POINTS, Scope, draw_plan
from tests.crash.project import Timing
from tests.crash.run import crash
from tests.crash.world import Run, Settings

REPORT = Path("build/crash-report.json")


def main(
    *,
    seed: Annotated[int | None, typer.Option(help="The plan's; drawn when not given.")] = None,
    kills: Annotated[int, typer.Option(help="How many, over all five.")] = 25,
    target: Annotated[list[str] | None, typer.Option(help=f"Who is killed; all of {', '.join(FIVE)}.")] = None,
    rate: Annotated[float, typer.Option(help="Messages a second.")] = 500,
    customers: Annotated[int, typer.Option(help="How many there are.")] = 12_000,
    publications: Annotated[int, typer.Option(help="Views at least; 0: a first one alone.")] = 5,
    trigger: Annotated[str, typer.Option(help="The query's, as settings say it.")] = Timing.trigger,
    points: Annotated[bool, typer.Option(help="Whether processes end at their fail points, too.")] = True,
    losses: Annotated[bool, typer.Option(help="Whether Redis is emptied and put back to an older state.")] = True,
    limit: Annotated[float, typer.Option(help="Seconds after which nobody is killed any more.")] = 3_600,
    folder: Annotated[Path, typer.Option(help="Where data and logs are; emptied first.")] = Path("build/crash"),
    report: Annotated[Path, typer.Option(help="Where the figures go.")] = REPORT,
) -> None:
    """Kill everything in turn while data flows and views are published, and hold every answer to the oracle."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that what was started is ended
    seed = time.time_ns() % 1_000_000 if seed is None else seed
    typer.echo(f"seed {seed}; live through it again with: python -m tests.crash --seed {seed}")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    plan = draw_plan(seed, Scope(kills, targets=tuple(target or FIVE), points=LIVE_POINTS if points else ()))
    settings = Settings(
        seed, rate, customers, publications, losses=losses, limit_s=limit, timing=Timing(trigger=trigger)
    )
    found = crash(Run(settings, plan, folder.absolute(), typer.echo))
    report.parent.mkdir(parents=True, exist_ok=True)
    written = {"seed": seed, "rate": rate, "trigger": trigger, **found.figures, "mistakes": dict(found.wrong)}
    report.write_bytes(orjson.dumps({**written, "said": found.said}, option=orjson.OPT_INDENT_2))
    show(written, found)
    sys.exit(1 if found.wrong else 0)


def show(figures: dict[str, object], found: Judgement) -> None:
    """Print the figures as a table, what was wrong, and the line of lines."""
    table = Table(title="crash runs", title_justify="left")
    table.add_column("figure")
    table.add_column("value")
    for name, value in figures.items():
        shown = ", ".join(f"{key} {one}" for key, one in value.items()) if isinstance(value, dict) else str(value)
        table.add_row(name, shown or "none")
    Console().print(table)
    for sentence in found.said:
        typer.echo(sentence)
    points, twice = figures["fail points"], figures["updates that arrived twice"]
    assert isinstance(points, dict)
    typer.echo(
        f"{figures['kills']} kills, {len(points)} fail points, {twice} updates that arrived twice, "
        f"{sum(found.wrong.values())} differences"
    )


if __name__ == "__main__":
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(main)
    app()
