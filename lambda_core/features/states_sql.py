"""States from cleaned rows, in Spark SQL: one update an event for the stream, one tile an interval for the batch.

Both render the same slots of the same definition: `lift_sql` for the state of a single event, `aggregate_sql` for that
of many. A row of components is `array<string>` without nulls: the state of no event is made of empty texts. Doubles
are rendered so that reading the text gives the same double.

Spark is imported only where a frame is grouped: frames come in, and frames go out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.features.json_sql import digits_json, text_json
from lambda_core.features.keys import entity_key_sql

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from lambda_core.features.definition import Definition, FeatureGroup

COUNTED = "duplicate is null"
"""Which prepared rows are events: those that are no declared duplicates."""
ACCEPTED = f"size(reasons) = 0 and {COUNTED}"
"""Which cleaned rows are events: those that no rule refuses, and that are no declared duplicates."""


@dataclass(frozen=True)
class UpdateColumns:
    """Spark SQL over one cleaned row: the entity's key (null: the row has no such entity) and its row of components."""

    entity: str
    row: str


def update_columns(group: FeatureGroup) -> UpdateColumns:
    """Return the expressions that make one event's contribution to the group."""
    lifted = (text for slot in group.slots for text in slot.aggregation.lift_sql(slot.sees))
    return UpdateColumns(entity_key_sql(group.key_columns), _row(lifted))


def tile_frame(group: FeatureGroup, frame: DataFrame) -> DataFrame:
    """Return one row an (entity, hop_ms, tile_start_ms): `row array<string>` and `last_event_ms`.

    Args:
        group: whose slots are aggregated; its hops say how long tiles are.
        frame: one row an event that counts (see `COUNTED`): the source's columns, event_time_ms, partition, offset.
    """
    from pyspark.sql.functions import expr  # who only reads this module's texts need not have Spark

    hops = ", ".join(f"{hop_ms}L" for hop_ms in group.hops_ms)
    aggregated = (text for slot in group.slots for text in slot.aggregation.aggregate_sql(slot.sees))
    # A leading underscore is in no source's column names.
    keyed = frame.selectExpr("*", f"{entity_key_sql(group.key_columns)} as _entity").where("_entity is not null")
    cut = keyed.selectExpr("*", f"explode(array({hops})) as _hop_ms")
    keys = ("_entity as entity", "_hop_ms as hop_ms", "event_time_ms - pmod(event_time_ms, _hop_ms) as tile_start_ms")
    return cut.groupBy(*(expr(key) for key in keys)).agg(
        expr(_row(aggregated)).alias("row"), expr("max(event_time_ms)").alias("last_event_ms")
    )


def updates_frame(definition: Definition, source: str, cleaned: DataFrame) -> DataFrame:
    """Return one row an update, with the fields of `messages.Update`: each event that counts, for each of its groups.

    Nothing but projection, explode and filter, so that it runs in every trigger of a stream.

    Args:
        definition: names the groups that the source feeds.
        source: the source whose cleaned rows are given.
        cleaned: one row a cleaned record (see `cleaning`), with reasons and duplicate.
    """
    structs = ", ".join(update_struct(definition, group) for group in definition.groups_of(source))
    exploded = cleaned.where(ACCEPTED).selectExpr(f"explode(array({structs})) as each")
    return exploded.where("each.entity is not null").select("each.*")


def update_struct(definition: Definition, group: FeatureGroup) -> str:
    """Return the Spark SQL of one update as a struct with the fields of `messages.Update`; its entity may be null."""
    columns = update_columns(group)
    fields = {
        "definition": f"'{definition.id}'",
        "group": f"'{group.name}'",
        "entity": columns.entity,
        "partition": "`partition`",
        "offset": "`offset`",
        "append_ms": "append_time_ms",
        "event_ms": "event_time_ms",
        "row": columns.row,
        "unique": "unique_id",
    }
    return f"named_struct({', '.join(f'{name!r}, {expression}' for name, expression in fields.items())})"


def update_json(definition: Definition, group: FeatureGroup, entity: str) -> str:
    """Return the Spark SQL of one update as JSON: what `to_json` makes of `update_struct`.

    Args:
        definition: names the definition that it is made under.
        group: whose states it carries.
        entity: the column with the key of its entity; not null.
    """
    texts = [f"coalesce({text}, '')" for slot in group.slots for text in slot.aggregation.lift_sql(slot.sees)]
    row = f"to_json(array({', '.join(texts)}))" if "s" in group.components else digits_json(texts)
    numbers = {
        "partition": "`partition`",
        "offset": "`offset`",
        "append_ms": "append_time_ms",
        "event_ms": "event_time_ms",
    }
    parts = [f"""'{{"definition":"{definition.id}","group":"{group.name}","entity":'""", text_json(entity)]
    for name, number in numbers.items():
        parts += [f"""',"{name}":'""", f"coalesce(cast({number} as string), 'null')"]
    parts += ["""',"row":'""", row, f"""coalesce(concat(',"unique":', {text_json("unique_id")}), '')""", "'}'"]
    return f"concat({', '.join(parts)})"


def _row(components: Iterable[str]) -> str:
    texts = [f"coalesce({text}, '')" for text in components]
    return f"array({', '.join(texts)})"
