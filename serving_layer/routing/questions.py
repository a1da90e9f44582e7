"""From what an asker gives (entities, or the asking event's own columns) to a question for the views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError, SchemaError
from lambda_core.features.keys import entity_key
from lambda_core.views.answering import Question

if TYPE_CHECKING:
    from lambda_core.config.project import FeatureSet, Model
    from lambda_core.features.definition import Definition
    from lambda_core.features.expressions import RequestExpressions

Key = str | int | None
Keys = Key | Sequence[Key] | Mapping[str, Key]


@dataclass(frozen=True)
class Asked:
    """What an asker knows.

    Attributes:
        entities: entity name -> its key: a value, values in declared order, or values by column; None where the event
            has no such entity.
        request: request features by name, already worked out: taken as they are.
        event: columns of the asking event: keys and request features that are not given are worked out from them.
    """

    entities: Mapping[str, Keys] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    event: Mapping[str, Any] = field(default_factory=dict)


class Questions:
    """Makes questions for the feature sets of one definition."""

    def __init__(self, definition: Definition) -> None:
        self._definition = definition
        self._expressions: dict[str, RequestExpressions] = {}

    def question(self, feature_set: str, asked: Asked, t_ms: int) -> Question:
        """Return the question for a vector at `t_ms`.

        Raises:
            ConfigError: when the project declares no such feature set.
            SchemaError: when an entity is neither given nor among the event's columns, or a value is of another type.
        """
        declared = self._declared(feature_set)
        groups = self._definition.groups
        wanted = {groups[name].entity for name in declared.groups}
        unknown = [*(set(asked.entities) - wanted), *(set(asked.request) - set(declared.request_features))]
        if unknown:
            raise SchemaError(
                f"feature set {feature_set}: expected entities {', '.join(sorted(wanted))} and request features "
                f"{', '.join(declared.request_features)}; found {', '.join(sorted(unknown))}"
            )
        keys = {entity: self._key(entity, asked) for entity in wanted}
        entities = {name: keys[groups[name].entity] for name in declared.groups}
        return Question(feature_set, t_ms, entities, self._request(feature_set, declared, asked))

    def partition_key(self, model: Model, asked: Asked) -> str:
        """Return the key that chooses the model's artefact, from the event's columns or the entities' keys.

        Raises:
            SchemaError: when the column is neither, or has several values.
        """
        column = model.partition_by
        found = [asked.event[column]] if column in asked.event else []
        for name, keys in asked.entities.items():
            declared = self._definition.project.entities.get(name)
            if declared and column in declared.keys:
                found.append(_by_column(name, declared.keys, keys)[column])
        texts = sorted({"" if value is None else str(value) for value in found})
        if len(texts) > 1:
            raise SchemaError(
                f"partition_key: expected one value of {column!r}, found {', '.join(texts)}; give the key"
            )
        if not texts:
            raise SchemaError(f"partition_key: expected it, or the column {column!r} among the event's; found neither")
        return texts[0]

    def _request(self, feature_set: str, declared: FeatureSet, asked: Asked) -> dict[str, Any]:
        series = self._definition.series.get(feature_set)
        if series is not None:
            series.refuse_other_types(asked.request)
        if not asked.event:
            return dict(asked.request)
        source = self._definition.project.sources[declared.asked_by]
        unknown = set(asked.event) - {*source.all_columns, *self._key_columns(declared)}
        if unknown:
            raise SchemaError(
                f"event: expected columns of source {declared.asked_by}, found {', '.join(sorted(unknown))}; it has "
                f"{', '.join(source.all_columns)}"
            )
        from lambda_core.features.expressions import RequestExpressions  # loads DuckDB, which few askers need

        if feature_set not in self._expressions:
            self._expressions[feature_set] = RequestExpressions(declared, source)
        return {**self._expressions[feature_set].evaluate(asked.event), **asked.request}

    def _key(self, entity: str, asked: Asked) -> str | None:
        columns = self._definition.project.entities[entity].keys
        if entity in asked.entities:
            values = _by_column(entity, columns, asked.entities[entity])
        else:
            values = {column: asked.event[column] for column in columns if column in asked.event}
        if len(values) < len(columns):
            raise SchemaError(
                f"entities.{entity}: expected its key ({', '.join(columns)}), found none; give it, or null when the "
                "event has no such entity"
            )
        for column, value in values.items():
            if value is not None and (not isinstance(value, str | int) or isinstance(value, bool)):
                raise SchemaError(f"entities.{entity}.{column}: expected a text or whole number, found {value!r}")
        return entity_key([values[column] for column in columns])

    def _key_columns(self, declared: FeatureSet) -> set[str]:
        groups = self._definition.groups
        return {column for name in declared.groups for column in groups[name].key_columns}

    def _declared(self, feature_set: str) -> FeatureSet:
        declared = self._definition.project.feature_sets
        if feature_set not in declared:
            raise ConfigError(f"feature set: expected one of {', '.join(sorted(declared))}; found {feature_set!r}")
        return declared[feature_set]


def _by_column(entity: str, columns: Sequence[str], keys: Keys) -> dict[str, Any]:
    """Return the key's values by column, whichever way they were given; of None, None for each."""
    if keys is None:
        return dict.fromkeys(columns)
    if isinstance(keys, Mapping):
        given = dict(keys)
    else:
        values = [keys] if isinstance(keys, str | int | float) else list(keys)
        given = dict(zip(columns, values, strict=False)) if len(values) == len(columns) else {}
    if set(given) != set(columns):
        raise SchemaError(f"entities.{entity}: expected the values of {', '.join(columns)}; found {keys!r}")
    return given
