"""Topics into Delta tables: appended once, by the checkpoint's own id and the batch's number."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from lambda_core.fail_points import passed
from lambda_core.repositories.log import KafkaTopics
from lambda_core.repositories.raw_log import RawLog, log_rows
from lambda_core.schemas.messages import SCORES, topic
from lambda_core.schemas.tables import scores
from speed_layer.checkpoint import claim
from speed_layer.topics import read_topic, source_topics

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from pyspark.sql import DataFrame
    from pyspark.sql.streaming.query import StreamingQuery

    from lambda_core.context import RunContext

SCORE_COLUMNS = (
    "prediction_id string, model string, model_version string, partition_key string, score double, append_ms bigint, "
    "scored_ms bigint, answer string"
)
"""Grain of `scores_<model>`: one row a record of the scores topic; a prediction id may come twice, the first stands."""


def start_raw_writers(context: RunContext) -> list[StreamingQuery]:
    """Start one query a source topic that appends its records to the source's raw table.

    Raises:
        KafkaError: when the broker is away.
        PositionError, ConfigError: when a checkpoint is of another topic.
    """
    return [_start_raw(context, name, place) for name, place in source_topics(context.project).items()]


def start_score_writer(context: RunContext) -> StreamingQuery | None:
    """Start the query that appends the scores topic to the models' score tables; None when there is no model."""
    if not context.project.models:
        return None
    name = topic(context.project.project, SCORES)
    shape = T.StructType.fromDDL(SCORE_COLUMNS)
    value = F.from_json(F.col("value").cast("string"), shape)  # type: ignore[arg-type]
    stream = read_topic(context, name).select(value.alias("score")).select("score.*").where("prediction_id is not null")

    def write(frame: DataFrame, batch: int, application: str) -> None:
        for model in context.project.models:
            of_model = frame.where(F.col("model") == model)
            context.tables.append(scores(model), of_model, transaction=(f"{application}-{model}", batch))

    return _start(context, stream, name, write)


def _start_raw(context: RunContext, source_name: str, place: str) -> StreamingQuery:
    log, topic_ids = RawLog(context, source_name), KafkaTopics(context.environment.kafka).ids([place])
    if place in topic_ids:
        log.claim(place, topic_ids[place])

    def write(frame: DataFrame, batch: int, application: str) -> None:
        rows = log_rows(frame, place, f"log-{place}-{batch}", context.clock.now_ms())
        log.append(rows, (application, batch))

    return _start(context, read_topic(context, place), f"raw-{source_name}", write, place)


def _start(
    context: RunContext,
    stream: DataFrame,
    name: str,
    write: Callable[[DataFrame, int, str], None],
    place: str | None = None,
) -> StreamingQuery:
    checkpoint = context.environment.checkpoints / name
    claim(checkpoint, "", KafkaTopics(context.environment.kafka).ids([place or name]))

    def write_batch(frame: DataFrame, batch: int) -> None:
        passed("raw.before_commit")
        write(frame, batch, application_id(checkpoint))
        passed("raw.after_commit")

    return (
        stream.writeStream.foreachBatch(write_batch)
        .option("checkpointLocation", str(checkpoint))
        .queryName(name)
        .trigger(processingTime=f"{context.environment.speed.raw_trigger_ms} milliseconds")
        .start()
    )


def application_id(checkpoint: Path) -> str:
    """Return the checkpoint's own id, by which its batches are appended once; a new checkpoint has another."""
    return str(json.loads((checkpoint / "metadata").read_text(encoding="utf-8").splitlines()[0])["id"])
