"""The worker's servers: models, views and standing scores in Redis, and the scores topic, whence they reach the table."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import confluent_kafka as ck
import msgspec

from lambda_core.errors import KafkaError, StoreError
from lambda_core.repositories.log import producer
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.repositories.record_store import ScoreStore
from lambda_core.repositories.view_store import BatchCache, ViewStore
from lambda_core.schemas.messages import SCORES, topic
from speed_layer.connection import open_once
from speed_layer.definitions import published_definition
from speed_layer.scoring.predictions import Predictions

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from lambda_core.context import RunContext
    from lambda_core.models.predicting import Prediction
    from lambda_core.schemas.messages import Request, Score
    from speed_layer.positions import Positions

SCOPE = "scores"
ACKNOWLEDGED_S = 4.0
"""How long the broker may take to acknowledge a batch of scores; with it, a worker still stops within 5 seconds."""


class ScoreOutbox:
    """Redis over one connection that is made anew after every failure, and the scores topic."""

    def __init__(self, context: RunContext, positions: Positions) -> None:
        self._context = context
        self._positions = positions
        self._topic = topic(context.project.project, SCORES)
        self._cache = BatchCache()
        self._producer: Any = producer(context.environment.kafka)
        self._client: redis.Redis | None = None
        self._predictions: Predictions | None = None

    def open(self) -> None:
        """Connect anew; models are loaded and verified anew too.

        What the broker did not acknowledge is given up: the batch that it is of is repeated, and would be sent twice
        besides, again and again for as long as the broker is away.
        """
        if self._client is not None:
            self._client.close()
        if len(self._producer):
            self._producer.purge()
            self._producer = producer(self._context.environment.kafka)
        self._client = open_once(self._context.environment.redis.get_secret_value())
        self._positions.check_topic(self._client)
        views = ViewStore(self._client, self._context.keys, self._cache)
        models = RedisModelStore(self._client, self._context.keys)
        own = self._context
        definition_of = partial(published_definition, own.project, self._client, own.keys)
        self._predictions = Predictions(own.project, views, models, definition_of, own.clock, own.log)

    def positions(self) -> dict[int, int]:
        """Return the next offset of each partition of the requests."""
        return self._positions.read(self._redis, SCOPE)

    def knows(self, model: str, feature_set: str) -> bool:
        """Tell whether the project declares the model, over this vector."""
        declared = self._context.project.models.get(model)
        return declared is not None and declared.feature_set == feature_set

    def predict(self, requests: Sequence[Request]) -> list[Prediction]:
        """Return one prediction a request, in their order."""
        return self._predictions.predict(requests) if self._predictions and requests else []

    def stand(self, scores: Sequence[Score]) -> list[Score | None]:
        """Keep each score if it is the first of its id; return None for it, else the one that stands."""
        store = ScoreStore(self._redis, self._context.keys)
        first = store.keep(scores)
        return [None if kept else store.read(score.prediction_id) for score, kept in zip(scores, first, strict=True)]

    def send(self, scores: Sequence[Score]) -> None:
        """Put scores on the topic; return when all of them are acknowledged.

        Raises:
            KafkaError: when they are not in time; the batch is repeated, which sends what stands once more.
        """
        for score in scores:
            self._produce(score)
        if scores and self._producer.flush(ACKNOWLEDGED_S):
            raise KafkaError(
                f"topic {self._topic} at {self._context.environment.kafka}: expected {len(scores)} scores acknowledged "
                f"within {ACKNOWLEDGED_S:.0f} s, found the broker away; start it (`mainstem up`)"
            )

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets."""
        self._positions.keep(self._redis, SCOPE, positions)

    def _produce(self, score: Score) -> None:
        """Hand a score to the producer; one that is longer than any broker takes stands in Redis alone."""
        try:
            self._producer.produce(self._topic, msgspec.json.encode(score), score.prediction_id)
        except ck.KafkaException as error:
            if error.args[0].code() != ck.KafkaError.MSG_SIZE_TOO_LARGE:
                raise
            self._context.log.warning("score too long for its topic", prediction_id=score.prediction_id)

    @property
    def _redis(self) -> redis.Redis:
        if self._client is None:
            raise StoreError("Redis: expected an open connection, found none; open() comes first")
        return self._client
