"""`mainstem features`: the catalogue of the project's features, from its settings; it needs no server."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from jobs.cli.config import Conf, ProjectName
from lambda_core.bootstrap import default_project
from lambda_core.config.loading import load_project
from lambda_core.errors import ConfigError
from lambda_core.features.catalogue import card_of, catalogue
from lambda_core.features.definition import compile_definition

if TYPE_CHECKING:
    from lambda_core.features.catalogue import Card
    from lambda_core.features.definition import Definition

app = typer.Typer(no_args_is_help=True, help="Look features up: what they mean, whose they are, who uses them.")
Name = Annotated[str, typer.Argument(metavar="FEATURE", help="A feature, as `mainstem features ls` lists them.")]
AsJson = Annotated[bool, typer.Option("--json", help="JSON, for programs.")]


@app.command()
def ls(
    *,
    group: Annotated[str, typer.Option(help="Only those of this feature group.")] = "",
    unused: Annotated[bool, typer.Option("--unused", help="Only those that no feature set takes.")] = False,
    as_json: AsJson = False,
    project: ProjectName = "",
    conf: Conf = Path("conf"),
) -> None:
    """List every feature with unit, range and owner; with --json all that `show` says of one.

    Example: mainstem features ls --group orders_by_customer
    """
    definition = _definition(project, conf)
    if group and group not in definition.groups:
        raise ConfigError(f"--group: expected one of {', '.join(definition.groups)}; found {group!r}")
    names = {feature.name for feature in definition.groups[group].features} if group else None
    found = [
        card
        for card in catalogue(definition)
        if (names is None or card.name in names) and not (unused and card.feature_sets)
    ]
    if as_json:
        print(json.dumps([asdict(card) for card in found], indent=2))
        return
    _print_table(found)


@app.command()
def show(name: Name, *, as_json: AsJson = False, project: ProjectName = "", conf: Conf = Path("conf")) -> None:
    """Show all there is to know of one feature.

    Example: mainstem features show orders_by_customer__amount_sum_1d
    """
    card = card_of(_definition(project, conf), name)
    if as_json:
        print(json.dumps(asdict(card), indent=2))
        return
    lines = {
        "is about": ", ".join(card.entity) or "the asking event",
        "source": card.source,
        "formula": card.formula,
        "description": card.description,
        "owner": card.owner,
        "unit": card.unit or "",
        "type": card.type,
        "range": _range(card),
        "takes note of": card.freshness,
        "feature sets": ", ".join(card.feature_sets),
        "models": ", ".join(card.models),
    }
    print(card.name)
    for title, text in lines.items():
        print(f"  {title:<13} {text or 'none'}")


def _definition(project: str, conf: Path) -> Definition:
    return compile_definition(load_project(conf / (project or default_project(conf))))


def _range(card: Card) -> str:
    if card.low is None and card.high is None:
        return "anything"
    low = "" if card.low is None else f"{card.low:g}"
    high = "" if card.high is None else f"{card.high:g}"
    return f"{low} to {high}" if low and high else (f"from {low}" if low else f"up to {high}")


def _print_table(cards: list[Card]) -> None:
    from rich.console import Console  # what only looks at the answer is loaded with it
    from rich.table import Table

    table = Table(title=f"{len(cards)} features", title_justify="left")
    table.add_column("feature", no_wrap=True)  # to be copied as a whole
    for column in ("unit", "range", "owner"):
        table.add_column(column, overflow="fold")
    for card in cards:
        cells = (card.name, card.unit or "", _range(card), card.owner)
        table.add_row(*(cell.replace("[", r"\[") for cell in cells))
    Console().print(table if cards else "no features")
