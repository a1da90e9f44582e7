"""The reference tables that lookups join: the rows that count, and the hash that pins them in the definition id."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.schemas.tables import prepared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from lambda_core.config.project import Project
    from lambda_core.context import RunContext


class _Note(msgspec.Struct):
    """What the version of a reference's table is noted with: these columns of the rows that count have this hash."""

    columns: list[str]
    content: str


def references_of(project: Project, *source_names: str) -> list[str]:
    """Return the names of the references that the sources' lookups join, in order of their first use."""
    sources = (project.sources[name] for name in source_names)
    return list(dict.fromkeys(lookup.source for source in sources for lookup in source.lookups.values()))


def with_references(project: Project, source_names: Iterable[str]) -> list[str]:
    """Return the names of these sources, then of all references that they look up, and that those look up."""
    found = list(dict.fromkeys(source_names))
    for one in found:
        found += [name for name in references_of(project, one) if name not in found]
    return found


def read_references(context: RunContext, *source_names: str) -> dict[str, DataFrame]:
    """Return the rows that count of each reference that the sources' lookups join; one row a unique key.

    Raises:
        SchemaError: when a reference was never prepared.
    """
    return {name: _counting(context, name) for name in references_of(context.project, *source_names)}


def reference_hashes(context: RunContext, *source_names: str) -> dict[str, str]:
    """Return 16 hexadecimal digits for the content of each reference that lookups join, by its name.

    Of all sources' lookups, or of the named ones'.

    A table that was written with a note of its content is not read. Else rows are hashed and brought together on the
    executors, whatever their order, batch or position; the driver sees only the hash.

    Raises:
        SchemaError: when a reference was never prepared.
    """
    joined = sorted(references_of(context.project, *(source_names or context.project.sources)))
    return {name: _noted(context, name) or _content(_counting(context, name)) for name in joined}


def content_note(context: RunContext, name: str, prepared_rows: DataFrame) -> str:
    """Return the note that a reference's prepared rows are to be written with: which columns, and their hash."""
    columns = list(context.project.sources[name].all_columns)
    counting = prepared_rows.where("duplicate is null").select(*columns)
    return msgspec.json.encode(_Note(columns, _content(counting))).decode()


def _noted(context: RunContext, name: str) -> str | None:
    """Return the hash that the table's note tells, if it has such a note, and of these columns."""
    table = prepared(name)
    note = context.tables.note(table) if context.tables.exists(table) else None
    try:
        told = msgspec.json.decode(note or "", type=_Note)
    except msgspec.DecodeError:  # there is none, or it is somebody else's
        return None
    return told.content if told.columns == list(context.project.sources[name].all_columns) else None


def _counting(context: RunContext, name: str) -> DataFrame:
    frame = context.tables.read(prepared(name)).where("duplicate is null")
    return frame.select(*context.project.sources[name].all_columns)


def _content(rows: DataFrame) -> str:
    row = F.sha2(F.to_json(F.struct("*"), {"ignoreNullFields": "false"}), 256)
    whole = F.sha2(F.array_join(F.array_sort(F.collect_list(row)), ""), 256)
    found = rows.agg(whole.alias("hash")).first()
    return str(found["hash"])[:16] if found is not None else ""
