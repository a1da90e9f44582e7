"""What becomes of a batch of requests. Pure: predictions, clock and the outbox are given.

1. Every request is answered and scored by the ladder, all in one read; not again what this worker has sent.
2. The first score of a prediction id stands. A repeat is dropped and counted; what stands is sent on once more unless
   this worker has already sent it, since the one before may have ended between keeping and sending.
3. Where Redis lost what stood, what this worker had sent stands again: it was the first.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lambda_core.fail_points import passed
from lambda_core.schemas.messages import Request, Score

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambda_core.clock import Clock
    from lambda_core.models.predicting import Prediction
    from speed_layer.monitoring import Measures
    from speed_layer.worker import Record

_REMEMBERED = 10_000
"""How many scores a worker knows again: more than it makes in the second that a killed Redis may lose."""
_DECODER = msgspec.json.Decoder(Request)


class Outbox(Protocol):
    """Where predictions come from and scores go. Raises StoreError or KafkaError when a server is away."""

    def open(self) -> None:
        """Connect anew."""
        ...

    def positions(self) -> dict[int, int]:
        """Return the next offset of each partition of the requests."""
        ...

    def knows(self, model: str, feature_set: str) -> bool:
        """Tell whether the project declares the model, over this vector."""
        ...

    def predict(self, requests: Sequence[Request]) -> list[Prediction]:
        """Return one prediction a request, in their order."""
        ...

    def stand(self, scores: Sequence[Score]) -> list[Score | None]:
        """Keep each score if it is the first of its id; return None for it, else the one that stands."""
        ...

    def send(self, scores: Sequence[Score]) -> None:
        """Put scores on the topic; return when all of them are acknowledged."""
        ...

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets."""
        ...


class ScoreHandler:
    """Scores batches of requests of the named models."""

    def __init__(
        self, outbox: Outbox, clock: Clock, measures: Measures, log: Any, lag: Callable[[Mapping[int, int]], int]
    ) -> None:
        self._outbox = outbox
        self._clock = clock
        self._measures = measures
        self._log = log
        self._lag = lag
        self._sent: OrderedDict[str, Score] = OrderedDict()
        self._next: dict[int, int] = {}
        self._appended: dict[int, list[int]] = {}

    def begin(self) -> Mapping[int, int]:
        """Return where to go on."""
        self._outbox.open()
        self._next = dict(self._outbox.positions())
        self._measures.begun(self._next)
        self._log.info("scoring worker begins", positions=self._next)
        return self._next

    def is_current(self) -> bool:
        """Tell that what `begin` found still holds: positions of requests know no epoch."""
        self._measures.line()
        return True

    def process(self, records: Sequence[Record]) -> None:
        """Answer, score, keep and send the batch's requests."""
        asked = self._read(records)
        requests = [request for _, request in asked]
        predicted = iter(self._outbox.predict([one for one in requests if one.prediction_id not in self._sent]))
        scores = [self._sent.get(one.prediction_id) or self._score(one, next(predicted)) for one in requests]
        passed("score.before_stand")
        standing = self._outbox.stand(scores)
        passed("score.after_stand")
        unsent = {one.prediction_id: one for one in map(_sent, scores, standing) if one.prediction_id not in self._sent}
        self._outbox.send(list(unsent.values()))
        passed("score.after_send")
        self._remember(unsent)
        self._appended = defaultdict(list)
        for (partition, _), score, other in zip(asked, scores, standing, strict=True):
            self._measures.count(partition, {"repeats" if other else score.answer.source: 1})
            if other is None:
                self._appended[partition].append(score.append_ms)

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets."""
        self._outbox.keep(positions)
        passed("score.after_keep")
        self._next.update(positions)
        self._measures.done(self._appended, positions, self._lag(self._next))

    def _score(self, request: Request, prediction: Prediction) -> Score:
        return Score(
            prediction_id=request.prediction_id,
            model=request.model,
            model_version=prediction.model_version,
            partition_key=prediction.partition_key,
            score=prediction.score,
            answer=prediction.answer,
            append_ms=request.append_ms,
            scored_ms=self._clock.now_ms(),
        )

    def _read(self, records: Sequence[Record]) -> list[tuple[int, Request]]:
        """Return the requests of declared models, each with its partition; count what else there is, and leave it out."""
        asked, first = [], ""
        for record in records:
            try:
                request = _DECODER.decode(record.value)
            except (msgspec.MsgspecError, UnicodeDecodeError) as error:
                self._measures.count(record.partition, {"unreadable": 1})
                first = first or f"partition {record.partition}, offset {record.offset}: {error}"
                continue
            if self._outbox.knows(request.model, request.feature_set):
                asked.append((record.partition, request))
            else:
                self._measures.count(record.partition, {"other_model": 1})
        if first:
            self._log.error("no requests of ours", first=first)
        return asked

    def _remember(self, sent: Mapping[str, Score]) -> None:
        self._sent.update(sent)
        while len(self._sent) > _REMEMBERED:
            self._sent.popitem(last=False)


def _sent(score: Score, standing: Score | None) -> Score:
    return score if standing is None else standing
