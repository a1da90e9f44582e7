"""What one cleaned record becomes: messages for the project's own topics. Projection and explode, nothing else.

reasons                       one message of quarantine
a declared duplicate          nothing: the other of file and topic counts it
accepted                      an update for each feature group whose entity it has, a request for each model it asks
accepted, a message too long  one message of quarantine in place of all of them, so that nothing counts by half
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.features.keys import entity_key_sql
from lambda_core.features.requests_sql import request_feature_sql
from lambda_core.features.states_sql import update_struct
from lambda_core.repositories.log import MAX_MESSAGE_BYTES
from lambda_core.schemas.ids import prediction_id_sql
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, UPDATES, topic

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.features.definition import Definition

MAX_BYTES = MAX_MESSAGE_BYTES
"""The longest message that is sent, key and value together; what the broker refused would stop the query."""
EXCERPT_CHARACTERS = 1_024
_KEEP_NULLS = "map('ignoreNullFields', 'false')"
_MESSAGE = "array<struct<topic:string,key:string,value:string>>"


def messages(definition: Definition, source_name: str, cleaned: DataFrame, max_bytes: int = MAX_BYTES) -> DataFrame:
    """Return one row a message: `topic`, `key`, `value` (JSON, fields of `schemas.messages`).

    Args:
        definition: names the groups and models that the source feeds.
        source_name: the source whose cleaned rows are given.
        cleaned: one row a cleaned record, with `reasons`, `duplicate` and the record's bytes as `_value`.
        max_bytes: the longest message that is sent.
    """
    one_by_one = [*_updates(definition, source_name), *_requests(definition, source_name)]
    wanted = f"filter(array({', '.join(one_by_one)}), each -> each is not null)" if one_by_one else "array()"
    made = cleaned.selectExpr(
        *("`partition`", "`offset`", "append_time_ms", "reasons", "_value"),
        f"cast(case when size(reasons) = 0 and duplicate is null then {wanted} else array() end as {_MESSAGE}) as _made",
    )
    too_long = f"exists(_made, each -> octet_length(each.key) + octet_length(each.value) > {max_bytes})"
    longest = "array_max(transform(_made, each -> octet_length(each.key) + octet_length(each.value)))"
    reason = f"concat('record: expected messages of at most {max_bytes} bytes, found one of ', {longest})"
    name = definition.project.project
    broken = _quarantine(name, source_name, "reasons")
    oversized = _quarantine(name, source_name, f"array({reason})")
    chosen = f"case when size(reasons) > 0 then array({broken}) when {too_long} then array({oversized}) else _made end"
    return made.select(F.explode(F.expr(chosen)).alias("each")).select("each.*")


def _updates(definition: Definition, source_name: str) -> list[str]:
    name = topic(definition.project.project, UPDATES)
    made = []
    for group in definition.groups_of(source_name):
        entity = entity_key_sql(group.key_columns)
        message = _message(name, f"concat('{group.name}:', {entity})", f"to_json({update_struct(definition, group)})")
        made.append(f"case when {entity} is not null then {message} end")
    return made


def _requests(definition: Definition, source_name: str) -> list[str]:
    name = topic(definition.project.project, REQUESTS)
    made = []
    for model_name, model in definition.project.models.items():
        asking = definition.feature_set(model.feature_set)
        if asking.asked_by == source_name:
            partition_key = f"coalesce(cast(`{model.partition_by}` as string), '')"
            request = f"to_json({_request(definition, model_name, partition_key)}, {_KEEP_NULLS})"
            made.append(f"case when ({asking.where}) then {_message(name, partition_key, request)} end")
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
