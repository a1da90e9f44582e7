"""Every strategy that a project names, so that a wrong one is told before anything runs; those of models are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batch_layer.segregation.segregate import made_strategy
from batch_layer.selection.select import made_selections
from batch_layer.training import STRATEGIES as ALGORITHMS
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest
from lambda_core.strategies import bound, build

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_core.config.project import Choice, Project
    from lambda_core.features.definition import Definition


def check_choices(project: Project, definition: Definition | None = None) -> None:
    """Refuse a strategy that does not exist, that does not take its parameters, or that needs what the vector lacks.

    A repository is not made: it may ask for its server.

    Args:
        project: the validated project.
        definition: tells the vectors; None where it is wrong itself.

    Raises:
        ConfigError: with one line a mistake.
    """
    mistakes = list(_of_repositories(project))
    for model in project.models:
        mistakes += [*_mistakes(project, model), *(_of_vectors(definition, model) if definition else ())]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _of_repositories(project: Project) -> Iterator[str]:
    for name, source in project.sources.items():
        try:
            if source.repository is not None:
                bound({}, source.repository, f"sources.{name}.repository", "batches")
        except ConfigError as error:
            yield str(error)


def _of_vectors(definition: Definition, model: str) -> Iterator[str]:
    """Yield what is said of algorithms that can be made, and need a value that the model's vector has not."""
    declared = definition.project.models[model]
    names = definition.vector_names(declared.feature_set)
    for role, choice in (("algorithm", declared.algorithm), ("baseline", declared.baseline)):
        place = f"models.{model}.{role}"
        for needed in _needs(choice, place):
            if needed not in names:
                expected = f"a value of {declared.feature_set} ({', '.join(names)})"
                yield f"{place}.parameters: expected {expected}; found {needed!r}{nearest(str(needed), names)}"


def _needs(choice: Choice, place: str) -> tuple[str, ...]:
    try:
        return tuple(getattr(build(ALGORITHMS, choice, place), "needs", ()))
    except ConfigError:  # which was told already
        return ()


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
