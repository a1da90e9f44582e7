"""What answers now: the published definition and each model's verified version. A route is a public name of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError, EpochError, MainstemError
from lambda_core.features.definition import compile_definition
from lambda_core.models.deployed import DeployedModel
from lambda_core.models.predicting import Predictor
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import refuse_eviction
from lambda_core.views.answering import Answerer
from serving_layer.routing.questions import Questions

if TYPE_CHECKING:
    import redis

    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.repositories.model_store import ModelStore
    from lambda_core.repositories.view_store import ViewStore
    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.ladder import Ladder


@dataclass(frozen=True)
class Serving:
    """Everything that answers under one definition."""

    definition: Definition
    questions: Questions
    predictor: Predictor
    models: dict[str, DeployedModel]


@dataclass(frozen=True)
class Sources:
    """Where answers come from: the client, and what is built on it."""

    client: redis.Redis
    keys: Keyspace
    views: ViewStore
    models: ModelStore
    ladder: Ladder


class Current:
    """Follows what is published. `serving` is swapped whole: a request that has begun ends with what it began with."""

    def __init__(self, project: Project, sources: Sources, log: Any, definition: Definition | None = None) -> None:
        self._project = project
        self._sources = sources
        self._log = log
        self._checked = False
        # Without a publication the lower rungs answer, with the names of the vector that the settings declare.
        self.serving = self._build(definition or compile_definition(project))

    def refresh(self) -> None:
        """Follow the view pointer to its definition, and the model pointers to their versions.

        Raises:
            EpochError: when nothing is published, or from other settings than this process has.
            StoreError: when Redis is away, or may evict. What answered before goes on answering.
        """
        if not self._checked:
            refuse_eviction(self._sources.client)
            self._checked = True
        wanted = self._sources.views.pointer().current.definition_id
        if wanted != self.serving.definition.id:
            self._follow(wanted)
        for model in self.serving.models.values():
            model.refresh()

    def model_of(self, route: str) -> str:
        """Return the model behind a route; a model's own name is a route to it.

        Raises:
            ConfigError: when there is neither.
        """
        routes = {**{name: name for name in self._project.models}, **self._project.serving.routes}
        if route not in routes:
            raise ConfigError(f"model: expected one of {', '.join(sorted(routes))}; found {route!r}")
        return routes[route]

    def unready(self) -> list[str]:
        """Return every reason why answers would not be merged and scored; asks Redis."""
        try:
            self.refresh()
            views = self._sources.views
            reasons = views.refusals(views.pointer().current)
        except MainstemError as error:
            return [str(error)]
        for name, model in self.serving.models.items():
            if model.loaded is None:
                why = model.refused[1] if model.refused else "none was deployed; run: mainstem batch run deployment"
                reasons.append(f"model {name}: expected a version that answers: {why}")
        return reasons

    def _follow(self, definition_id: str) -> None:
        definition = DefinitionStore(self._sources.client, self._sources.keys).compile(self._project, definition_id)
        if definition is None:
            raise EpochError(
                f"expected the published definition {definition_id} to be that of these settings, found others; "
                "publish from them, or start this process with the settings that were published"
            )
        self._log.info("definition followed", definition=definition_id, before=self.serving.definition.id)
        self.serving = self._build(definition)

    def _build(self, definition: Definition) -> Serving:
        models = {
            name: DeployedModel(self._sources.models, name, definition.feature_set_id(model.feature_set), self._log)
            for name, model in self._project.models.items()
        }
        answerer = Answerer(definition, self._sources.views)
        return Serving(definition, Questions(definition), Predictor(answerer, models, self._sources.ladder), models)
