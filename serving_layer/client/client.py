"""The client: features and scores of one project, merged from both views, by the ladder, with their provenance."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from lambda_core.clock import SystemClock
from lambda_core.repositories.cluster import as_cluster
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.repositories.record_store import ScoreStore
from lambda_core.repositories.view_store import ViewStore
from lambda_core.schemas.messages import Score
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.ladder import Ladder
from serving_layer.routing.current import Current, Sources
from serving_layer.routing.questions import Asked

if TYPE_CHECKING:
    from collections.abc import Callable

    import redis

    from lambda_core.clock import Clock
    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.models.predicting import Prediction
    from lambda_core.schemas.messages import Answer

READ_SHARE = 0.75
"""Part of the deadline that a reply of Redis may take."""


def answer_seconds(project: Project) -> float:
    """Return how long a serving client waits for Redis: less than the deadline, so that the next rung is in time."""
    return project.serving.deadline_ms * READ_SHARE / 1_000


@dataclass(frozen=True)
class Scoring:
    """Which score is asked for.

    Attributes:
        model: route or name of the model.
        partition_key: chooses the artefact; worked out from the event or the entities when None.
        t_ms: event time asked for; the clock's when None.
        prediction_id: the asker's own id; the first score under it is kept and stands. Without one nothing is kept.
    """

    model: str
    partition_key: str | None = None
    t_ms: int | None = None
    prediction_id: str | None = None


class ServingClient:
    """Answers questions about one project. Safe to share between threads.

    Args:
        project: the settings. store: a client of Redis (`client_of(url, answer_seconds(project))`).
        definition: the published definition, where it is known; else `refresh` finds it in Redis.
        missed: told each rung that did not answer, and why.
    """

    def __init__(
        self,
        project: Project,
        definition: Definition | None,
        store: redis.Redis,
        clock: Clock | None = None,
        missed: Callable[[str, str], None] | None = None,
    ) -> None:
        self.project = project
        self.clock = clock or SystemClock()
        self.keys = Keyspace(project.project, sharded=as_cluster(store) is not None)
        self.log: Any = structlog.get_logger()
        self.views = ViewStore(store, self.keys)
        self._scores = ScoreStore(store, self.keys)
        self._ladder = Ladder(project.serving.ladder, project.serving.deadline_ms, missed)
        models = RedisModelStore(store, self.keys)
        self.current = Current(
            project, Sources(store, self.keys, self.views, models, self._ladder), self.log, definition
        )

    def refresh(self) -> None:
        """Follow what is published and deployed. Call it at the begin, then now and then (`serve` does each second).

        Raises:
            StoreError: when Redis is away or nothing is published; what answered before goes on answering.
        """
        self.current.refresh()

    def features(self, feature_set: str, asked: Asked, t_ms: int | None = None) -> Answer:
        """Return the vector at `t_ms` (milliseconds UTC; default: the clock), with where each part came from.

        Raises:
            ConfigError: when there is no such feature set. SchemaError: when a key is missing or of another type.
            ServerError: when no rung of the ladder answers.
        """
        serving = self.current.serving
        return serving.predictor.features(serving.questions.question(feature_set, asked, self._t(t_ms)))

    async def features_async(self, feature_set: str, asked: Asked, t_ms: int | None = None) -> Answer:
        """Do as `features`, without keeping the event loop waiting."""
        serving = self.current.serving
        return await serving.predictor.features_async(serving.questions.question(feature_set, asked, self._t(t_ms)))

    def score(self, scoring: Scoring, asked: Asked) -> Score:
        """Return a score with the model's version and the answer it was made from.

        Raises:
            ConfigError: when there is no such model. SchemaError: when a key is missing or of another type.
            ServerError: when no rung of the ladder answers, or Redis cannot keep the score under the asker's id.
        """
        serving, model = self.current.serving, self.current.model_of(scoring.model)
        key, question = self._scored(scoring, asked)
        return self._standing(self._as_score(scoring, model, serving.predictor.predict(model, key, question)), scoring)

    async def score_async(self, scoring: Scoring, asked: Asked) -> Score:
        """Do as `score`, without keeping the event loop waiting."""
        serving, model = self.current.serving, self.current.model_of(scoring.model)
        key, question = self._scored(scoring, asked)
        score = self._as_score(scoring, model, await serving.predictor.predict_async(model, key, question))
        if scoring.prediction_id is None:
            return score
        return await asyncio.to_thread(self._standing, score, scoring)

    def kept_score(self, prediction_id: str) -> Score | None:
        """Return the score that stands under an id; None when there is none."""
        return self._scores.read(prediction_id)

    def close(self) -> None:
        """End the threads."""
        self._ladder.close()

    def _t(self, t_ms: int | None) -> int:
        return self.clock.now_ms() if t_ms is None else t_ms

    def _scored(self, scoring: Scoring, asked: Asked) -> tuple[str, Any]:
        serving = self.current.serving
        model = self.project.models[self.current.model_of(scoring.model)]
        key = scoring.partition_key
        if key is None:
            key = serving.questions.partition_key(model, asked)
        return key, serving.questions.question(model.feature_set, asked, self._t(scoring.t_ms))

    def _as_score(self, scoring: Scoring, model: str, prediction: Prediction) -> Score:
        now_ms = self.clock.now_ms()
        return Score(
            prediction_id=scoring.prediction_id or f"asked/{uuid.uuid4().hex}",
            model=model,
            model_version=prediction.model_version,
            partition_key=prediction.partition_key,
            score=prediction.score,
            answer=prediction.answer,
            append_ms=now_ms,
            scored_ms=now_ms,
        )

    def _standing(self, score: Score, scoring: Scoring) -> Score:
        if scoring.prediction_id is None or self._scores.keep([score])[0]:
            return score
        return self._scores.read(score.prediction_id) or score
