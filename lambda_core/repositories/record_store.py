"""Scores by prediction id, of which the first stands, and what definitions pin, by their id: small records in Redis."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import msgspec

from lambda_core.features.definition import compile_definition
from lambda_core.repositories.store import answering
from lambda_core.schemas.messages import Score

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import redis

    from lambda_core.config.project import Project
    from lambda_core.features.definition import Definition
    from lambda_core.views.keyspace import Keyspace


class ScoreStore:
    """Scores by prediction id: the first one stands, whoever repeats the question."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def keep(self, scores: Sequence[Score]) -> list[bool]:
        """Keep scores in one round trip; tell of each whether it was the first of its prediction id."""
        if not scores:
            return []
        with answering(self._client), self._client.pipeline(transaction=False) as pipeline:
            for score in scores:
                pipeline.set(self._keys.score(score.prediction_id), msgspec.json.encode(score), nx=True)
            return [bool(reply) for reply in pipeline.execute()]

    def read(self, prediction_id: str) -> Score | None:
        """Return the score that stands; None when the prediction was never made."""
        with answering(self._client):
            found = cast("bytes | None", self._client.get(self._keys.score(prediction_id)))
        return None if found is None else msgspec.json.decode(found, type=Score)


class DefinitionStore:
    """What a definition pins beside the project's settings: so serving compiles the same one without tables."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def put_definition(self, definition_id: str, references: Mapping[str, str]) -> None:
        """Store the content hash of each reference source that the definition pins."""
        with answering(self._client):
            self._client.set(self._keys.definition(definition_id), msgspec.json.encode({"references": references}))

    def get_definition(self, definition_id: str) -> dict[str, str] | None:
        """Return the content hash of each reference source; None when the definition was never published here."""
        with answering(self._client):
            found = cast("bytes | None", self._client.get(self._keys.definition(definition_id)))
        return None if found is None else msgspec.json.decode(found, type=dict[str, dict[str, str]])["references"]

    def compile(self, project: Project, definition_id: str) -> Definition | None:
        """Return the definition of this id; None when it was published from other settings than the project's."""
        definition = compile_definition(project, self.get_definition(definition_id))
        return definition if definition.id == definition_id else None
