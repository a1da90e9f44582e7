"""What a record takes from reference sources: left joins with small tables, sent to every executor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pyspark.sql import DataFrame

    from lambda_core.config.project import Project


def look_up(project: Project, source_name: str, frame: DataFrame, references: dict[str, DataFrame]) -> DataFrame:
    """Return the frame with the columns that the source's lookups take; null where the reference has no such key.

    Args:
        project: the validated project.
        source_name: the source whose lookups these are.
        frame: has the source's own columns.
        references: the rows of each reference that count, at most one a key.

    Raises:
        ConfigError: when a key or a column to take does not exist.
    """
    refuse_wrong_lookups(project, source_name)
    for lookup in project.sources[source_name].lookups.values():
        reference = project.sources[lookup.source]
        key = F.col(reference.unique_key[0])
        taken = [F.col(column).alias(new) for new, column in lookup.take.items()]
        slim = references[lookup.source].select(key.alias("_key"), *taken)
        own, other = F.col(lookup.key), F.col("_key")
        if frame.schema[lookup.key].dataType != slim.schema["_key"].dataType:
            own, other = own.cast("string"), other.cast("string")
        frame = frame.join(F.broadcast(slim), own == other, "left").drop("_key")
    return frame


def refuse_wrong_lookups(project: Project, source_name: str) -> None:
    """Refuse lookups that cannot be joined.

    Raises:
        ConfigError: when a key or a column to take does not exist, or the reference has no key of one column.
    """
    source = project.sources[source_name]
    for name, lookup in source.lookups.items():
        path = f"sources.{source_name}.lookups.{name}"
        reference = project.sources[lookup.source]
        if len(reference.unique_key) != 1:
            raise ConfigError(
                f"{path}.source: expected a reference whose unique_key is one column, found "
                f"{lookup.source} with {len(reference.unique_key)}; derive one column from them there"
            )
        _named(lookup.key, source.columns, f"{path}.key")
        for new, column in lookup.take.items():
            _named(column, reference.all_columns, f"{path}.take.{new}")


def _named(name: str, valid: Iterable[str], path: str) -> None:
    names = sorted(valid)
    if name not in names:
        raise ConfigError(f"{path}: expected one of {', '.join(names)}; found {name!r}{nearest(name, names)}")
