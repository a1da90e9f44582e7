"""`mainstem config`: check, show and compare settings; JSON Schema for editors."""

from __future__ import annotations

import difflib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
import yaml

from jobs.process import addresses
from jobs.stages import known_stages
from lambda_core.bootstrap import default_project
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_environment, load_project
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.state_folder import StateFolder

if TYPE_CHECKING:
    from collections.abc import Callable

app = typer.Typer(no_args_is_help=True, help="Look at settings before anything runs on them.")
ProjectName = Annotated[
    str, typer.Option("--project", envvar="MAINSTEM_PROJECT", help="Folder below conf/; by default the first by name.")
]
EnvironmentName = Annotated[
    str, typer.Option("--environment", envvar="MAINSTEM_ENVIRONMENT", help="File below conf/environments/.")
]
Conf = Annotated[Path, typer.Option("--conf", help="Folder of projects and environments.")]


@app.command()
def check(project: ProjectName = "", environment: EnvironmentName = "local", conf: Conf = Path("conf")) -> None:
    """Validate project and environment as a whole; each mistake with its key, expected and found.

    What needs a project without mistakes of form or of names (strategies, features, expectations) is looked at behind them,
    and expressions by the stages that work them out.
    """
    from batch_layer.choices import check_choices  # loads Spark, which nothing else here needs
    from batch_layer.preparation.gate import refuse_wrong_expectations

    mistakes: list[str] = []

    def tried(look: Callable[..., Any], *given: Any) -> Any:
        """Return what is looked at; None where it is wrong, or something that it needs was."""
        try:
            return None if None in given else look(*given)
        except ConfigError as error:
            mistakes.append(str(error))
            return None

    loaded = tried(lambda: load_project(conf / (project or default_project(conf))))
    placed = tried(load_environment, conf / "environments" / f"{environment}.yaml", addresses())
    definition = tried(compile_definition, loaded)
    for look in (lambda given: check_choices(given, definition), refuse_wrong_expectations, known_stages):
        tried(look, loaded)
    tried(lambda here, given: StateFolder(here.state, given.project).check(), placed, loaded)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    features = sum(len(group.features) for group in definition.groups.values())
    print(
        f"{loaded.project}: {len(loaded.sources)} sources, {len(definition.groups)} feature groups with {features} "
        f"features, {len(loaded.models)} models. No mistake found."
    )


@app.command()
def show(project: ProjectName = "", environment: EnvironmentName = "local", conf: Conf = Path("conf")) -> None:
    """Print the settings in force, defaults and environment variables included; secrets hidden."""
    loaded = load_project(conf / (project or default_project(conf)))
    placed = load_environment(conf / "environments" / f"{environment}.yaml", addresses())
    print(_as_yaml({"environment": _plain(placed), **_plain(loaded)}))


@app.command()
def diff(
    left: Annotated[str, typer.Argument(help="An environment.")],
    right: Annotated[str, typer.Argument(help="Another one.")],
    conf: Conf = Path("conf"),
) -> None:
    """Compare two environments, key by key; secrets hidden."""
    before, after = (
        _as_yaml(_plain(load_environment(conf / "environments" / f"{name}.yaml", {}))).splitlines()
        for name in (left, right)
    )
    lines = list(difflib.unified_diff(before, after, left, right, lineterm="", n=0))
    print("\n".join(lines) or f"{left} and {right} are the same")


@app.command()
def schema(
    of: Annotated[str, typer.Option(help="`project` or `environment`.")] = "project",
) -> None:
    """Print the JSON Schema of a project (or of an environment), for completion in editors."""
    model = Environment if of == "environment" else Project
    print(json.dumps(model.model_json_schema(by_alias=True), indent=2))


def _plain(settings: Project | Environment) -> dict[str, Any]:
    return settings.model_dump(mode="json", by_alias=True, exclude_defaults=False)


def _as_yaml(settings: dict[str, Any]) -> str:
    return yaml.safe_dump(settings, sort_keys=False, allow_unicode=True).rstrip()
