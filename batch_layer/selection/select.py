"""One selection after the other: each is given the values that the one before left, in the vector's order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from batch_layer.selection import STRATEGIES
from lambda_core.errors import ConfigError, DataError
from lambda_core.strategies import build

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batch_layer.selection.strategy import Selection
    from batch_layer.training.strategy import TrainingRows
    from lambda_core.config.project import Choice


@dataclass(frozen=True)
class Narrowed:
    """The rows with the values that were selected, and what each value scored in each step: step -> name -> score.

    A step is called by its strategy and its place, from 1: `1 variance`.
    """

    rows: TrainingRows
    scores: dict[str, dict[str, float]]


def made_selections(choices: Sequence[Choice], model: str) -> list[Selection]:
    """Return the model's selections, made with their parameters.

    Raises:
        ConfigError: when there is none of a name, or its parameters make no sense.
    """
    made = []
    for place, choice in enumerate(choices):
        key = f"models.{model}.select[{place}]"
        try:
            made.append(build(STRATEGIES, choice, key, "select"))
        except ConfigError as error:
            text = str(error)
            raise ConfigError(text if text.startswith(key) else f"{key}: {text}") from error
    return made


def select(rows: TrainingRows, choices: Sequence[Choice], model: str) -> Narrowed:
    """Return the rows with the values that all selections leave, in the vector's order.

    Args:
        rows: training rows, and nothing but those: what the test knows would be learnt from.
        choices: the selections, in order.
        model: whose they are; for errors.

    Raises:
        ConfigError: as `made_selections`. DataError: when a selection leaves nothing.
    """
    scores: dict[str, dict[str, float]] = {}
    for place, selection in enumerate(made_selections(choices, model)):
        kept, found = selection.select(rows)
        names = [name for name in rows.names if name in kept]
        step = f"{place + 1} {choices[place].strategy}"
        scores[step] = {name: float(score) for name, score in found.items()}
        if not names:
            raise DataError(
                f"models.{model}.select[{place}]: expected {choices[place].strategy} to leave values, found none of "
                f"{', '.join(rows.names)} good enough: {scores[step]}; let it keep more"
            )
        places = [rows.names.index(name) for name in names]
        rows = replace(rows, names=names, features=rows.features[:, places])
    return Narrowed(rows, scores)
