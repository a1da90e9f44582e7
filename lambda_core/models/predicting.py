"""From a question to a score: the features by the ladder's rung, the model of the partition, the default at the end.

The serving layer and the scoring worker ask the same `Predictor`, so that a score does not depend on who asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from lambda_core.errors import ArtefactError, ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.config.project import Rung
    from lambda_core.models.deployed import DeployedModel
    from lambda_core.schemas.messages import Answer
    from lambda_core.views.answering import Answerer, Question
    from lambda_core.views.ladder import Ladder


@dataclass(frozen=True)
class Prediction:
    """A score, the version that gave it (None: the default value), and the answer it was made from."""

    score: float
    model_version: str | None
    partition_key: str
    answer: Answer


class Predictor:
    """Answers and scores by the rungs of the ladder."""

    def __init__(self, answerer: Answerer, models: Mapping[str, DeployedModel], ladder: Ladder) -> None:
        self._answerer = answerer
        self._models = models
        self._ladder = ladder

    def features(self, question: Question) -> Answer:
        """Return the vector by the first rung that answers in time.

        Raises:
            ServerError: when no rung does.
        """
        return self._ladder.climb(partial(self.answer_by, question))

    async def features_async(self, question: Question) -> Answer:
        """Do as `features`, without keeping the event loop waiting."""
        return await self._ladder.climb_async(partial(self.answer_by, question))

    def predict(self, model: str, partition_key: str, question: Question) -> Prediction:
        """Return the score by the first rung that gives one in time.

        Raises:
            ConfigError: when the project declares no such model. ServerError: when no rung answers.
        """
        return self._ladder.climb(partial(self.score_by, self._known(model), partition_key, question))

    async def predict_async(self, model: str, partition_key: str, question: Question) -> Prediction:
        """Do as `predict`, without keeping the event loop waiting."""
        return await self._ladder.climb_async(partial(self.score_by, self._known(model), partition_key, question))

    def answer_by(self, question: Question, rung: Rung) -> Answer:
        """Return the vector as one rung gives it."""
        if rung.source == "merged":
            return self._answerer.merged(question)
        if rung.source == "batch_only":
            return self._answerer.batch_only(question)
        return self._answerer.without_views(rung.source, question)

    def score_by(self, model: str, partition_key: str, question: Question, rung: Rung) -> Prediction:
        """Return the score as one rung gives it: a rung with a value gives it, any other asks the model.

        Raises:
            ArtefactError: when no version answers for the partition.
        """
        if rung.value is not None:
            return Prediction(rung.value, None, partition_key, self.answer_by(question, rung))
        loaded = self._models[model].loaded
        if loaded is None:
            raise ArtefactError(
                f"model {model}: expected a deployed version, found none; run: mainstem batch run deployment"
            )
        scorer = loaded.scorer(partition_key)
        answer = self.answer_by(question, rung)
        return Prediction(
            scorer.score([list(answer.values.values())])[0], loaded.manifest.version, partition_key, answer
        )

    def _known(self, model: str) -> str:
        if model not in self._models:
            raise ConfigError(f"model: expected one of {', '.join(sorted(self._models))}; found {model!r}")
        return model
