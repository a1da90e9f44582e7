"""Whether a record's texts are short enough for the messages that it becomes: the same answer in batch and stream.

A broker takes messages up to a size. A record whose update or request would be longer could be counted by the batch side
alone, and no answer would be of exactly the events that it names: so both sides refuse it. What a message is made of is
known from the settings; only texts can be long:

1. Each text stands in a message as often as keys and slots name its column, escaped as it stands there.
2. Everything else (names, numbers, positions) has its room, which does not depend on the record.

Most records are far from the limit: the lengths of their texts alone show it, at the worst that escaping can do.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.cleaning.reasons import Reason
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.log import MAX_MESSAGE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from lambda_core.config.project import Project
    from lambda_core.config.sources import Column
    from lambda_core.features.definition import Definition

_WORST = 6
"""Bytes that one byte of a text may become: a control character in JSON; in keys it is three at most."""
_RESERVED = r"""'[\\p{{Cntrl}}"\\\\%|{{}}:]'"""
"""What JSON or a key escapes, as Spark SQL."""
_NAMES, _NUMBER = 4_000, 64
"""Room for a message's names and positions, and for one number."""


def too_long(project: Project, source_name: str, max_bytes: int = MAX_MESSAGE_BYTES) -> Reason | None:
    """Return the reason of a record with too long texts; None where no message holds a text of the source's."""
    messages = list(_messages(compile_definition(project), source_name))
    if not messages:
        return None
    least = " or ".join(f"{_sum(texts, _WORST)} > {max_bytes - room}" for texts, room in messages)
    exact = "greatest(0L, " + ", ".join(f"{_escaped(texts)} + {room}" for texts, room in messages) + ")"
    longest = f"case when {least} then {exact} else 0L end"
    found = F.concat(
        F.lit(f"record: expected texts that fit into messages of {max_bytes} bytes, found "),
        F.expr(longest).cast("string"),
        F.lit(" bytes"),
    )
    return Reason(F.expr(f"{longest} > {max_bytes}"), found)


def _messages(definition: Definition, source_name: str) -> Iterator[tuple[Counter[str], int]]:
    """Yield of each message with texts: column -> how often its text stands there, and the room of everything else."""
    project = definition.project
    columns = project.sources[source_name].all_columns
    unique = list(project.sources[source_name].unique_key)
    for group in definition.groups_of(source_name):
        named = [*group.key_columns, *group.key_columns, *unique]
        for slot in group.slots:
            named += [slot.column] * slot.aggregation.components.count("s") if slot.column else []
        yield from _told(named, columns, _NAMES + _NUMBER * (group.width + len(named)))
    for model in project.models.values():
        asking = definition.feature_set(model.feature_set)
        if asking.asked_by == source_name:
            keys = [column for name in asking.groups for column in definition.groups[name].key_columns]
            named = [model.partition_by, model.partition_by, *keys]
            yield from _told(named, columns, _NAMES + _NUMBER * (len(asking.request_features) + len(named)))


def _told(named: list[str], columns: Mapping[str, Column], room: int) -> Iterator[tuple[Counter[str], int]]:
    texts = Counter(name for name in named if name in columns and columns[name].type == "string")
    if texts:
        yield texts, room


def _sum(texts: Counter[str], factor: int) -> str:
    return " + ".join(f"{factor * times}L * coalesce(octet_length(`{name}`), 0)" for name, times in texts.items())


def _escaped(texts: Counter[str]) -> str:
    """Return the Spark SQL of the most bytes that the texts may take: only some characters are escaped at all."""
    plain = f"octet_length(regexp_replace(`{{name}}`, {_RESERVED}, ''))"
    one = f"coalesce({_WORST} * octet_length(`{{name}}`) - {_WORST - 1} * {plain}, 0)"
    return " + ".join(f"{times}L * {one.format(name=name)}" for name, times in texts.items())
