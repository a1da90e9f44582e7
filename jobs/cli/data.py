"""`mainstem data`: what there is of each source, in which condition, and what could not be used."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from jobs.process import context
from lambda_core.schemas.tables import quarantine as quarantine_table
from lambda_core.schemas.tables import raw as raw_table

if TYPE_CHECKING:
    from collections.abc import Sequence

app = typer.Typer(no_args_is_help=True, help="Look at the data: sources, batches, their condition, quarantine.")
Name = Annotated[str, typer.Argument(metavar="SOURCE", help="A source, as `mainstem data ls` lists them.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


@app.command()
def ls(*, as_json: AsJson = False) -> None:
    """List every source: records and where they went, size and owner; `show` has one's retention, tables and batches."""
    from batch_layer.preparation.catalogue import source_data  # Spark is loaded by what needs it

    own = context()
    found = [source_data(own, name) for name in own.project.sources]
    if as_json:
        _print_json([asdict(one) for one in found])
        return
    cells = [
        [
            one.source,
            _count(one.rows(raw_table(one.source))),
            _count(one.accepted),
            _count(one.rows(quarantine_table(one.source))),
            _count(one.duplicates),
            _size(sum(table.bytes for table in one.tables)),
            one.owner,
        ]
        for one in found
    ]
    _print_table("Sources", ("source", "raw", "accepted", "quarantined", "duplicates", "size", "owner"), cells)


@app.command()
def show(source: Name, *, as_json: AsJson = False) -> None:
    """Show one source: its tables with versions and sizes, and its newest batches."""
    from batch_layer.preparation.catalogue import batches, source_data

    own = context()
    found, parts = source_data(own, source), batches(own, source)
    if as_json:
        _print_json({**asdict(found), "batches": [asdict(one) for one in parts]})
        return
    print(f"{found.source} ({found.kind}), owner {found.owner or 'none'}, kept {found.retention}\n{found.description}")
    if found.waiting:
        print("All of it will be prepared anew: it never was, or a declaration or a reference has changed.")
    tables = [[one.name, _count(one.rows), str(one.version), _size(one.bytes)] for one in found.tables]
    _print_table("Tables", ("table", "rows", "version", "size"), tables)
    cells = [
        [
            one.batch_id,
            _count(one.rows),
            _count(one.waiting),
            _count(one.accepted),
            _count(one.quarantined),
            *_span(one.first_ms, one.last_ms),
        ]
        for one in parts
    ]
    _print_table("Newest batches", ("batch", "rows", "waiting", "accepted", "quarantined", "first", "last"), cells)


@app.command()
def report(source: Name, *, as_json: AsJson = False) -> None:
    """Say where the report on a source's condition lies, and its findings; exit code 1 when there are any."""
    from batch_layer.preparation.catalogue import known_source

    own = context()
    known_source(own, source)
    page = own.environment.reports / f"{source}.html"
    told = _told(page)
    if as_json:
        _print_json({"page": str(page), **told})
    else:
        sentences = [one["sentence"] for one in told["findings"]]
        print("\n".join([*(f"! {one}" for one in sentences), *([] if sentences else ["No findings."]), str(page)]))
    raise typer.Exit(1 if told["findings"] else 0)


@app.command()
def quarantine(
    source: Name,
    *,
    again: Annotated[
        bool, typer.Option("--replay", help="Prepare it again, by the present declaration, and say what was freed.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show why records could not be used; with --replay, after a fix, let those back in that can be used now.

    Example: mainstem data quarantine orders --replay
    """
    from batch_layer.preparation.catalogue import quarantined, replay
    from lambda_core.runner import Runner

    own = context()
    done = Runner(own).run("replay", lambda inside: replay(inside, source)) if again else None
    found = quarantined(own, source)
    if as_json:
        _print_json({"replayed": asdict(done) if done else None, "reasons": [asdict(one) for one in found]})
        return
    if done:
        print(
            f"{source}: {done.before:,} were in quarantine, {done.quarantined:,} are now; {done.accepted:,} are accepted"
        )
    cells = [[one.reason, _count(one.records), f"{one.partition}/{one.offset}", one.excerpt or ""] for one in found]
    _print_table(f"Quarantine of {source}", ("reason", "records", "one at", "which begins"), cells)


def _told(page: Path) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise typer.BadParameter(
            f"expected the report of a source that was prepared, found none at {page}; run: mainstem batch run preparation"
        ) from error
    return told


def _print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def _print_table(title: str, columns: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console  # what only looks at the answer is loaded with it
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for column in columns:
        words = column in ("source", "table", "batch", "reason", "which begins", "owner", "first", "last")
        # What is to be copied, as a source's name, stays in one piece.
        is_name = column in ("source", "table")
        table.add_column(column, justify="left" if words else "right", overflow="fold", no_wrap=is_name)
    for row in cells:
        table.add_row(*(cell.replace("[", r"\[") for cell in row))
    Console().print(table if cells else f"{title}: none")


def _count(number: int) -> str:
    return f"{number:,}"


def _size(size: float) -> str:
    return f"{size / 1_048_576:,.1f} MiB"


def _span(*moments: int | None) -> list[str]:
    return [
        "" if one is None else dt.datetime.fromtimestamp(one / 1000, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
        for one in moments
    ]
