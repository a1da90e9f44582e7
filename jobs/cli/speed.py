"""`mainstem speed`: the streaming queries, until Ctrl-C or SIGTERM; `mainstem speed status`: how the speed layer fares."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from jobs import speed as job
from jobs.process import context

if TYPE_CHECKING:
    from rich.console import RenderableType

    from speed_layer.monitoring import Status
    from speed_layer.monitoring.standing import Row

app = typer.Typer(invoke_without_command=True)
WATCH_S = 2.0
FOUND = 1
"""Exit code when something stands still or is missing."""
_MERGE = ("applied", "fenced", "duplicates", "dropped", "late", "other_definition", "unreadable")
_SCORE = ("merged", "batch_only", "fallback", "default", "repeats", "other_model", "unreadable")


@app.callback()
def speed(invoked: typer.Context) -> None:
    """Run the streaming queries: topics to updates, requests and quarantine, and to the raw tables.

    They run until Ctrl-C or SIGTERM. `mainstem speed status` tells how the speed layer fares.
    """
    if invoked.invoked_subcommand is None:
        raise typer.Exit(job.main())


@app.command()
def status(
    *,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Tell it anew every two seconds, until Ctrl-C.")] = False,
) -> None:
    """Tell where the queries and the workers stand: lag, freshness, what became of records, a partition.

    Asks the log, Redis and the checkpoints, so it works from any shell of the machine. A lag in seconds is the age of the
    oldest record that waits, since its source record was appended. Exit code 1 when something stands still or is missing:
    no figures of a process within 30 seconds, or a lag beyond `speed.max_lag` of the environment.
    """
    from rich.console import Console  # what only looks at the answer is loaded with it
    from rich.live import Live

    from speed_layer.monitoring import speed_status

    own, console = context(), Console()
    if watch and not as_json:
        with Live(console=console, screen=True, auto_refresh=False) as live:
            while True:
                live.update(rendered(speed_status(own)), refresh=True)
                time.sleep(WATCH_S)
    found = speed_status(own)
    while watch:  # one line each time
        print(msgspec.json.encode(found).decode(), flush=True)
        time.sleep(WATCH_S)
        found = speed_status(own)
    if as_json:
        print(msgspec.json.encode(found).decode())
    else:
        console.print(rendered(found))
    raise typer.Exit(FOUND if found.findings else 0)


def rendered(found: Status) -> RenderableType:
    """Return the status as people read it."""
    from rich.console import Group
    from rich.text import Text

    tables = [
        _checkpoints(found, "Streaming query, by its newest checkpoint", ("query",)),
        _checkpoints(found, "Writers of tables, by their newest checkpoint", ("raw", "scores")),
        _worker(found, "Merge workers", "merge", _MERGE),
        _worker(found, "Scoring workers", "score", _SCORE),
    ]
    return Group(
        Text(f"{found.project}: view {found.generation or 'none'}, epoch {found.epoch or 'none'}"),
        *(table for table in tables if table is not None),
        *(Text(f"! {sentence}", style="bold red") for sentence in found.findings),
        *(() if found.findings else (Text("Nothing stands still, nothing is missing.", style="green"),)),
    )


def _checkpoints(found: Status, title: str, readers: tuple[str, ...]) -> RenderableType | None:
    rows = [row for row in found.rows if row.reader in readers]
    last = ("quarantined",) if "query" in readers else ()
    cells = [[row.name or row.reader, *_place(row), *(_refused(found, row) for _ in last)] for row in rows]
    return _table(title, ("source", "partition", "position", "end", "lag", "seconds", *last), cells)


def _worker(found: Status, title: str, reader: str, outcomes: tuple[str, ...]) -> RenderableType | None:
    rows = [row for row in found.rows if row.reader == reader]
    seen = [name for name in outcomes if name in outcomes[:2] or any(_outcome(row, name) for row in rows)]
    several = len({row.name for row in rows}) > 1
    cells = [[*_place(row), *_fresh(row), *(f"{_outcome(row, name):,}" for name in seen)] for row in rows]
    for row, cell in zip(rows, cells, strict=True):
        cell[0] += f" of {row.name}" if several else ""
    columns = (
        "partition",
        "position",
        "end",
        "lag",
        "seconds",
        "fresh p50",
        "p99",
        *(name.replace("_", " ") for name in seen),
    )
    return _table(title, columns, cells)


def _table(title: str, columns: tuple[str, ...], cells: list[list[str]]) -> RenderableType | None:
    from rich.table import Table

    if not cells:
        return None
    table = Table(title=title, title_justify="left")
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    for row in cells:
        table.add_row(*row)
    return table


def _place(row: Row) -> list[str]:
    position = "none" if row.position is None else f"{row.position:,}"
    seconds = "?" if row.lag_seconds is None else f"{row.lag_seconds:,.1f}"
    return [str(row.partition), position, f"{row.end:,}", f"{row.lag_records:,}", seconds]


def _fresh(row: Row) -> list[str]:
    own = row.figures
    samples = (own.fresh_p50_ms, own.fresh_p99_ms) if own else (None, None)
    return ["" if sample is None else f"{sample:,} ms" for sample in samples]


def _outcome(row: Row, name: str) -> int:
    return row.figures.outcomes.get(name, 0) if row.figures else 0


def _refused(found: Status, row: Row) -> str:
    return f"{row.quarantined or 0:,}{'' if found.quarantine_whole else ' or more'}"
