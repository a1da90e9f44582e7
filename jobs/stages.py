"""The batch stages by name, in the order in which a full run goes through them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

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


def stage(name: str) -> Callable[[RunContext], Any]:
    """Return the stage as a function of a context that returns its report, or one report a name of its section."""
    module, function, section = STAGES[name]

    def work(context: RunContext) -> Any:
        run = getattr(importlib.import_module(module), function)
        if not section:
            return run(context)
        return {declared: run(context, declared) for declared in getattr(context.project, section)}

    return work


def between(first: str | None, last: str | None) -> Iterable[str]:
    """Return the names of the stages from `first` to `last`, both included; None stands for the end of the list."""
    names = list(STAGES)
    begin = names.index(first) if first else 0
    end = names.index(last) + 1 if last else len(names)
    return names[begin:end]
