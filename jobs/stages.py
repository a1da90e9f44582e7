"""The batch stages by name, in the order in which a full run goes through them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_core.config.project import Project
    from lambda_core.context import RunContext

STAGES: dict[str, tuple[str, str, str]] = {
    "ingestion": ("batch_layer.ingestion", "ingest", ""),
    "preparation": ("batch_layer.preparation", "prepare", ""),
    "training_rows": ("batch_layer.preparation.training_rows", "build_training_rows", "feature_sets"),
    "segregation": ("batch_layer.segregation", "segregate", "models"),
    "training": ("batch_layer.training", "train", "models"),
    "evaluation": ("batch_layer.evaluation", "evaluate", "models"),
    "deployment": ("batch_layer.deployment", "deploy", "models"),
    "scoring": ("batch_layer.scoring", "score", "models"),
    "publishing": ("batch_layer.publishing", "publish", ""),
}
"""Stage -> module, function, and the section of the project whose every name it is run for (empty: run once)."""


@dataclass(frozen=True)
class Part:
    """The part of the data that stages are run for; by default all of it.

    Attributes:
        sources: of `ingestion` and `preparation`; none named: all.
        full: `ingestion` looks at all that a source has, `preparation` prepares all records anew; not only new ones.
        since_ms: `training_rows` and `scoring` work on what asked from this moment on, in milliseconds since
            1970-01-01 UTC, and leave what is before as it is.
    """

    sources: tuple[str, ...] = ()
    since_ms: int | None = None
    full: bool = False

    def arguments(self, name: str) -> dict[str, Any]:
        """Return what a stage takes of this."""
        if name in ("ingestion", "preparation"):
            return {"sources": self.sources or None, "full": self.full}
        return {"from_ms": self.since_ms} if name in ("training_rows", "scoring") else {}


def stage(name: str, part: Part | None = None) -> Callable[[RunContext], Any]:
    """Return the stage as a function of a context that returns its report, or one report a name of its section."""
    module, function, section = STAGES[name]
    arguments = (part or Part()).arguments(name)

    def work(context: RunContext) -> Any:
        run = getattr(importlib.import_module(module), function)
        if not section:
            return run(context, **arguments)
        return {declared: run(context, declared, **arguments) for declared in getattr(context.project, section)}

    return work


def known_stages(project: Project) -> None:
    """Make sure that what the project declares to follow new data are stages.

    Raises:
        ConfigError: when one is not.
    """
    for place, name in enumerate(project.chain.then or ()):
        if name not in STAGES:
            raise ConfigError(
                f"chain.then[{place}]: expected one of {', '.join(STAGES)}; found {name!r}{nearest(name, STAGES)}"
            )
