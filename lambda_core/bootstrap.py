"""Chooses the implementations: the one function that turns settings into a context whose servers are built lazily."""

from __future__ import annotations

import os
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lambda_core import fail_points
from lambda_core.clock import SystemClock
from lambda_core.config.loading import load_environment, load_project
from lambda_core.context import RunContext
from lambda_core.errors import ConfigError
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.state_folder import StateFolder
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.slots import is_cluster

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.clock import Clock
    from lambda_core.config.environment import Environment
    from lambda_core.config.project import Project


def build_context(
    conf: Path = Path("conf"), variables: Mapping[str, str] | None = None, *, streaming: bool = False
) -> RunContext:
    """Return the context of the project and environment that the variables name.

    By default these are the first project of the folder by name, and `local`.

    Args:
        conf: folder that holds the projects' folders and `environments/`.
        variables: environment variables; the process's own when None.
        streaming: whether Spark is to have the task slots that streaming queries keep.

    Raises:
        ConfigError: when a setting is wrong.
    """
    variables = os.environ if variables is None else variables
    fail_points.arm(variables.get(fail_points.VARIABLE, ""))
    project = load_project(conf / (variables.get("MAINSTEM_PROJECT") or default_project(conf)))
    environment = load_environment(
        conf / "environments" / f"{variables.get('MAINSTEM_ENVIRONMENT', 'local')}.yaml", variables
    )
    return assemble(project, environment, streaming=streaming)


def assemble(
    project: Project, environment: Environment, clock: Clock | None = None, *, streaming: bool = False
) -> RunContext:
    """Return a context of these settings; nothing is connected to, started or made before it is asked for.

    Raises:
        ConfigError: when the state folder holds another project's tables.
    """
    StateFolder(environment.state, project.project).check()
    return RunContext(
        run_id=uuid.uuid4().hex[:12],
        project=project,
        environment=environment,
        keys=Keyspace(project.project, sharded=is_cluster(environment.redis.get_secret_value())),
        builders={
            "spark": lambda context: _spark(context, streaming=streaming),
            "tables": _tables,
            "redis": _redis,
            "registry": _registry,
            "definition": _definition,
        },
        clock=clock or SystemClock(),
    )


def default_project(conf: Path) -> str:
    """Return the only project of the folder, or the first by name.

    Raises:
        ConfigError: when there is none.
    """
    found = sorted(path.parent.name for path in conf.glob("*/project.yaml"))
    if not found:
        raise ConfigError(f"{conf}: expected a folder with a project.yaml in it, found none; run it where `conf` lies")
    return found[0]


def _spark(context: RunContext, *, streaming: bool) -> Any:
    from lambda_core.spark import build_session  # serving starts without Spark

    return build_session(context.environment, f"mainstem-{context.project.project}", streaming=streaming)


def _tables(context: RunContext) -> Any:
    from lambda_core.repositories.tables import DeltaTables  # serving starts without Spark

    state = StateFolder(context.environment.state, context.project.project)
    return DeltaTables(context.spark, context.environment.tables, state)


def _redis(context: RunContext) -> Any:
    from lambda_core.repositories.store import connect  # batch stages may run without Redis

    return connect(context.environment.redis.get_secret_value())


def _registry(context: RunContext) -> Any:
    from lambda_core.repositories.registry import MlflowRegistry  # serving starts without MLflow

    return MlflowRegistry(context.environment.registry, context.project.project)


def _definition(context: RunContext) -> Any:
    from lambda_core.cleaning.references import reference_hashes  # reads Delta tables

    return compile_definition(context.project, reference_hashes(context))
