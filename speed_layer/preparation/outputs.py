"""What one cleaned record becomes: messages for the project's own topics. Projection and explode, nothing else.

reasons                       one message of quarantine
a declared duplicate          nothing: the other of file and topic counts it
accepted                      an update for each feature group whose entity it has, a request for each model it asks
accepted, a message too long  one message of quarantine in place of all of them, so that nothing counts by half
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.features.keys import entity_key_sql
from lambda_core.features.requests_sql import request_feature_sql
from lambda_core.features.states_sql import ACCEPTED, update_json
from lambda_core.repositories.log import MAX_MESSAGE_BYTES
from lambda_core.schemas.ids import prediction_id_sql
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, UPDATES, topic

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.features.definition import Definition, FeatureGroup

MAX_BYTES = MAX_MESSAGE_BYTES
"""The longest message that is sent, key and value together; what the broker refused would stop the query."""
EXCERPT_CHARACTERS = 1_024
_KEEP_NULLS = "map('ignoreNullFields', 'false')"
_MESSAGE = "array<struct<topic:string,key:string,value:string>>"
_KEPT = ("`partition`", "`offset`", "append_time_ms", "reasons", "_value")


def messages(definition: Definition, source_name: str, cleaned: DataFrame, max_bytes: int = MAX_BYTES) -> DataFrame:
    """Return one row a message: `topic`, `key`, `value` (JSON, fields of `schemas.messages`).

    Steps of plain expressions, none with a lambda: Spark compiles all of it, and works out each text once.

    Args:
        definition: names the groups and models that the source feeds.
        source_name: the source whose cleaned rows are given.
        cleaned: one row a cleaned record, with `reasons`, `duplicate` and the record's bytes as `_value`.
        max_bytes: the longest message that is sent.
    """
    groups = definition.groups_of(source_name)
    keyed = cleaned.selectExpr("*", *(_entity(group, place) for place, group in enumerate(groups)))
    made = [_update(definition, group, f"_entity{place}") for place, group in enumerate(groups)]
    made += _requests(definition, source_name)
    told = keyed.selectExpr(*_KEPT, *(part for place, message in enumerate(made) for part in message.columns(place)))
    chosen = _chosen(definition, source_name, [message.topic for message in made], max_bytes)
    return told.select(F.explode(F.expr(chosen)).alias("each")).where("each is not null").select("each.*")


@dataclass(frozen=True)
class _Made:
    """A message that a counted record may become: its topic, and Spark SQL of when, its key and its value."""

    topic: str
    when: str
    key: str
    value: str

    def columns(self, place: int) -> tuple[str, str]:
        """Return key and value as columns; the value is null where there is no message."""
        return f"{self.key} as _key{place}", f"case when {self.when} then {self.value} end as _message{place}"


def _entity(group: FeatureGroup, place: int) -> str:
    return f"case when {ACCEPTED} then {entity_key_sql(group.key_columns)} end as _entity{place}"


def _update(definition: Definition, group: FeatureGroup, entity: str) -> _Made:
    name = topic(definition.project.project, UPDATES)
    return _Made(
        name, f"{entity} is not null", f"concat('{group.name}:', {entity})", update_json(definition, group, entity)
    )


def _chosen(definition: Definition, source_name: str, topics: list[str], max_bytes: int) -> str:
    """Return the Spark SQL of a record's messages, with nulls among them: its own, or one of quarantine."""
    name = definition.project.project
    sizes = [f"coalesce(octet_length(_key{place}) + octet_length(_message{place}), 0)" for place in range(len(topics))]
    longest = f"greatest(0, 0, {', '.join(sizes)})" if sizes else "0"
    reason = f"concat('record: expected messages of at most {max_bytes} bytes, found one of ', {longest})"
    broken = _quarantine(name, source_name, "reasons")
    oversized = _quarantine(name, source_name, f"array({reason})")
    own = [
        f"case when _message{place} is not null then {_message(each, f'_key{place}', f'_message{place}')} end"
        for place, each in enumerate(topics)
    ]
    whole = f"array({', '.join(own)})" if own else f"cast(array() as {_MESSAGE})"
    return (
        f"case when size(reasons) > 0 then array({broken}) when {longest} > {max_bytes} then array({oversized}) "
        f"else {whole} end"
    )


def _requests(definition: Definition, source_name: str) -> list[_Made]:
    name = topic(definition.project.project, REQUESTS)
    made = []
    for model_name, model in definition.project.models.items():
        asking = definition.feature_set(model.feature_set)
        if asking.asked_by == source_name:
            partition_key = f"coalesce(cast(`{model.partition_by}` as string), '')"
            request = f"to_json({_request(definition, model_name, partition_key)}, {_KEEP_NULLS})"
            made.append(_Made(name, f"{ACCEPTED} and ({asking.where})", partition_key, request))
    return made


def _request(definition: Definition, model_name: str, partition_key: str) -> str:
    project = definition.project
    model = project.models[model_name]
    asking = definition.feature_set(model.feature_set)
    entities = {name: entity_key_sql(definition.groups[name].key_columns) for name in asking.groups}
    features = {name: request_feature_sql(feature) for name, feature in asking.request_features.items()}
    return _struct(
        {
            "definition": f"'{definition.id}'",
            "model": f"'{model_name}'",
            "feature_set": f"'{model.feature_set}'",
            "prediction_id": prediction_id_sql(project.sources[asking.asked_by].topic),
            "partition_key": partition_key,
            "t_ms": "event_time_ms",
            "append_ms": "append_time_ms",
            "entities": _struct(entities),
            "request": _struct(features),
        }
    )


def _quarantine(project_name: str, source_name: str, reasons: str) -> str:
    fields = {
        "source": f"'{source_name}'",
        "partition": "`partition`",
        "offset": "`offset`",
        "append_ms": "append_time_ms",
        "reasons": reasons,
        "excerpt": f"coalesce(left(make_valid_utf8(cast(_value as string)), {EXCERPT_CHARACTERS}), '')",
    }
    return _message(topic(project_name, QUARANTINE), f"'{source_name}'", f"to_json({_struct(fields)})")


def _message(name: str, key: str, value: str) -> str:
    return _struct({"topic": f"'{name}'", "key": key, "value": value})


def _struct(fields: dict[str, str]) -> str:
    if not fields:
        return "cast(map() as map<string,string>)"
    return f"named_struct({', '.join(f'{name!r}, {expression}' for name, expression in fields.items())})"
