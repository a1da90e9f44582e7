"""Whether the project's expressions can work, seen before anything runs: they are analysed over no rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from lambda_core.cleaning.clean import clean
from lambda_core.cleaning.conversions import spark_type
from lambda_core.cleaning.expressions import analyse
from lambda_core.cleaning.reading import read_fields
from lambda_core.cleaning.references import references_of
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import DataFrame, SparkSession

    from lambda_core.config.project import Project
    from lambda_core.config.sources import Source

RECORD = "value binary, header string, `partition` int, `offset` bigint, append_time_ms bigint, batch_id string"
"""What cleaning needs of the raw table's columns."""


def check_expressions(spark: SparkSession, project: Project) -> None:
    """Refuse a project with an expression that names what is not there, cannot be read, or asks beyond its record.

    Raises:
        ConfigError: one line a mistake: key path, expected columns, found, nearest valid name.
    """
    cleaned: dict[str, DataFrame] = {}
    mistakes = [*_source_mistakes(spark, project, cleaned), *_use_mistakes(project, cleaned)]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _source_mistakes(spark: SparkSession, project: Project, cleaned: dict[str, DataFrame]) -> Iterator[str]:
    for name, source in project.sources.items():
        if source.files and source.topic and source.kind == "event" and source.log_from is None:
            yield f"sources.{name}.log_from: expected the event time from which the topic counts, found none"
        try:
            cleaned[name] = clean_nothing(spark, project, name)
        except ConfigError as error:
            yield str(error)


def clean_nothing(spark: SparkSession, project: Project, source_name: str) -> DataFrame:
    """Return the source's cleaned columns over no rows: their names and types."""
    source = project.sources[source_name]
    record = spark.createDataFrame([], RECORD)
    references = {name: _no_rows(spark, project.sources[name]) for name in references_of(project, source_name)}
    return clean(project, source_name, read_fields(source, record), references)


def _no_rows(spark: SparkSession, source: Source) -> DataFrame:
    fields = [T.StructField(name, spark_type(column)) for name, column in source.all_columns.items()]
    return spark.createDataFrame([], T.StructType(fields))


def _use_mistakes(project: Project, cleaned: dict[str, DataFrame]) -> Iterator[str]:
    for source, expression, path in _uses(project):
        if source in cleaned:
            columns = [F.col(name) for name in project.sources[source].all_columns]
            try:
                analyse(cleaned[source].select(*columns), expression, path)
            except ConfigError as error:
                yield str(error)


def _uses(project: Project) -> Iterator[tuple[str, str, str]]:
    """Yield (source, expression over its columns, key path) of every expression outside the sources."""
    for name, declared in project.feature_sets.items():
        yield declared.asked_by, declared.where, f"feature_sets.{name}.where"
        for feature, request in declared.request_features.items():
            path = f"feature_sets.{name}.request_features.{feature}.expression"
            yield declared.asked_by, request.expression, path
    for name, label in project.labels.items():
        yield label.source, label.value, f"labels.{name}.value"
    for name, model in project.models.items():
        asked_by = project.feature_sets[model.feature_set].asked_by
        yield asked_by, model.partition_by, f"models.{name}.partition_by"
