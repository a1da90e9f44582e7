"""Every strategy that a project's models name, made once, so that a wrong one is told before anything runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_layer.segregation.segregate import made_strategy
from batch_layer.selection.select import made_selections
from batch_layer.training import STRATEGIES as ALGORITHMS
from lambda_core.errors import ConfigError
from lambda_core.strategies import build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_core.config.project import Project


def check_choices(project: Project) -> None:
    """Refuse a strategy that does not exist, or that does not take its parameters.

    Raises:
        ConfigError: with one line a mistake.
    """
    mistakes = [sentence for model in project.models for sentence in _mistakes(project, model)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _mistakes(project: Project, model: str) -> Iterator[str]:
    declared = project.models[model]
    makers: tuple[Callable[[], object], ...] = (
        lambda: made_strategy(project, model),
        lambda: made_selections(declared.select, model),
        lambda: build(ALGORITHMS, declared.algorithm, f"models.{model}.algorithm", "fit"),
        lambda: build(ALGORITHMS, declared.baseline, f"models.{model}.baseline", "fit"),
    )
    for make in makers:
        try:
            make()
        except ConfigError as error:
            yield str(error) if str(error).startswith("models.") else f"models.{model}: {error}"
