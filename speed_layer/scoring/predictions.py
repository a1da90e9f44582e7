"""Scores for a batch of requests: both views are read once for all of them, then each goes down the ladder by itself.

What a rung answers is the core's `Predictor`, as in serving; only the read is shared, and so no rung waits for another.
A request that was made under other settings than this process's is answered without views: what its entities and features
mean is another's to say, and states of one definition are never read by another.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_core.errors import MainstemError, ServerError, StoreError
from lambda_core.features.definition import compile_definition
from lambda_core.models.deployed import DeployedModel
from lambda_core.models.predicting import Prediction, Predictor
from lambda_core.views.answering import Answerer, Question
from lambda_core.views.ladder import READING, Ladder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from lambda_core.clock import Clock
    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.models.deployed import ModelSource
    from lambda_core.repositories.view_store import ViewsRead, Wanted
    from lambda_core.schemas.messages import Request
    from lambda_core.views.answering import Views

REFRESH_MS = 1_000
"""How often it is asked which version of a model answers."""


@dataclass
class _Shared:
    """Views that were read for a whole batch, handed out request by request."""

    merged: ViewsRead | None = None
    batch_only: ViewsRead | None = None

    def read(self, wanted: Sequence[Wanted]) -> ViewsRead:
        return self._found(self.merged, wanted)

    def read_batch(self, wanted: Sequence[Wanted]) -> ViewsRead:
        return self._found(self.merged or self.batch_only, wanted)

    @staticmethod
    def _found(views: ViewsRead | None, wanted: Sequence[Wanted]) -> ViewsRead:
        if views is None:
            raise StoreError(f"views of {len(wanted)} entities: expected them from the batch's read, found none")
        return views


@dataclass(frozen=True)
class _Ready:
    """What answers requests of one definition id; with `reads`, from views."""

    predictor: Predictor
    models: dict[str, DeployedModel]
    reads: bool


@dataclass
class Predictions:
    """Scores requests of one project's settings.

    Attributes:
        views: where both views are read. source: where models are.
        definition_of: the definition of an id, as it was published; None when it was not, or from other settings.
    """

    project: Project
    views: Views
    source: ModelSource
    definition_of: Callable[[str], Definition | None]
    clock: Clock
    log: Any
    _shared: _Shared = field(default_factory=_Shared)
    _ready: dict[str, _Ready] = field(default_factory=dict)
    _others: set[str] = field(default_factory=set)
    _refresh_at_ms: int = 0

    def predict(self, requests: Sequence[Request]) -> list[Prediction]:
        """Return one prediction a request, in their order.

        Raises:
            ServerError: when not even the ladder's last rung answers: it declares no value.
        """
        wanted = list({one: None for request in requests for one in _wanted(request)})
        self._shared.merged = self._read_or_none(self.views.read, wanted)
        self._shared.batch_only = None
        if self._shared.merged is None:
            self._shared.batch_only = self._read_or_none(self.views.read_batch, wanted)
        ready = {name: self._of(name) for name in {request.definition for request in requests}}
        self._refresh()
        return [self._by_ladder(ready[request.definition], request) for request in requests]

    def _by_ladder(self, ready: _Ready, request: Request) -> Prediction:
        question = Question(request.feature_set, request.t_ms, request.entities, request.request)
        for rung in self.project.serving.ladder:
            if rung.source in READING and not ready.reads:
                continue
            try:
                return ready.predictor.score_by(request.model, request.partition_key, question, rung)
            except MainstemError as error:
                self.log.debug("rung does not answer", rung=rung.source, reason=str(error))
        raise ServerError(
            f"request {request.prediction_id}: expected a rung of the ladder to answer, found none; "
            "end serving.ladder with { source: default, value: ... }"
        )

    def _read_or_none(self, read: Callable[[Any], ViewsRead], wanted: list[Wanted]) -> ViewsRead | None:
        try:
            return read(wanted)
        except StoreError as error:
            self.log.debug("views not read", reason=str(error))
            return None

    def _of(self, definition_id: str) -> _Ready:
        """Return what answers under this id: its definition, or none of the views; ids of others are asked for again."""
        if definition_id not in self._ready and definition_id not in self._others:
            found = self.definition_of(definition_id)
            if found is None:
                self._others.add(definition_id)
                self.log.warning(
                    "requests of a definition that was not published from these settings", id=definition_id
                )
            else:
                self._ready[definition_id] = self._made(found, reads=True)
                self._refresh_at_ms = 0
        if definition_id in self._others:
            return self._ready.setdefault("", self._made(compile_definition(self.project), reads=False))
        return self._ready[definition_id]

    def _made(self, definition: Definition, *, reads: bool) -> _Ready:
        models = {
            name: DeployedModel(self.source, name, definition.feature_set_id(model.feature_set), self.log)
            for name, model in self.project.models.items()
        }
        no_threads = Ladder((), self.project.serving.deadline_ms)
        return _Ready(Predictor(Answerer(definition, self._shared), models, no_threads), models, reads)

    def _refresh(self) -> None:
        if self.clock.now_ms() >= self._refresh_at_ms:
            self._refresh_at_ms = self.clock.now_ms() + REFRESH_MS
            self._others.clear()
            for ready in self._ready.values():
                for model in ready.models.values():
                    model.refresh()


def _wanted(request: Request) -> list[Wanted]:
    return [(group, key) for group, key in request.entities.items() if key is not None]
