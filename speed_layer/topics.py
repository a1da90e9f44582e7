"""The sources' topics as Spark reads them: one row a record, at the position and append time that the log gave it."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.config.project import Project
    from lambda_core.context import RunContext


def source_topics(project: Project, kind: str | None = None) -> dict[str, str]:
    """Return source name -> topic, of the sources that have one (of this kind, when given)."""
    return {
        name: source.topic
        for name, source in project.sources.items()
        if source.topic is not None and kind in {None, source.kind}
    }


def read_topic(context: RunContext, name: str) -> DataFrame:
    """Return a topic as a stream from its begin; one row a record: `value`, `partition`, `offset`, `append_time_ms`.

    Records that are gone before they were read stop the query.
    """
    stream = (
        context.spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", context.environment.kafka)
        .option("subscribe", name)
        .option("startingOffsets", "earliest")
        .option("failOnDataLoss", "true")
        .load()
    )
    return stream.selectExpr("value", "`partition`", "`offset`", "unix_millis(timestamp) as append_time_ms")
