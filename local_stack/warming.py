"""What a Spark of ours does, in small, for the sake of the classes that it loads: `python -m local_stack.warming KAFKA FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.config.environment import Environment
from lambda_core.repositories.log import KafkaTopics
from lambda_core.spark.session import build_session

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

STREAMED_S = 12
_SHAPE = "id bigint, name string, price decimal(18,2), at timestamp"


def main(kafka: str, folder: Path) -> None:
    """Write, read, join and aggregate Delta tables, and run a query from Kafka to Kafka in real time."""
    environment = Environment.model_validate({"kafka": kafka, "state": str(folder / "state")})
    spark = build_session(environment, "warming", streaming=True)
    _tables(spark, str(folder / "table"))
    _stream(spark, kafka, str(folder))
    spark.stop()


def _tables(spark: SparkSession, table: str) -> None:
    rows = _parsed(spark.range(2_000).select(F.to_json(F.struct("id", F.lit("a").alias("name"))).alias("value")))
    rows.write.format("delta").option("userMetadata", "warming").save(table)
    rows.write.format("delta").mode("append").option("txnAppId", "warming").option("txnVersion", 1).save(table)
    rows.where("id < 10").write.format("delta").mode("overwrite").option("replaceWhere", "id < 10").save(table)
    read = spark.read.format("delta").option("versionAsOf", 1).load(table)
    counted = read.groupBy("name", F.window("at", "1 hour")).agg(
        F.count("*").alias("n"), F.sum("price"), F.max_by("id", "at"), F.collect_list("id").alias("ids"), F.avg("id")
    )
    joined = counted.join(read.select("name", "id").dropDuplicates(["name"]), "name", "left")
    joined.repartition("name").sortWithinPartitions("name").mapInArrow(lambda batches: batches, joined.schema).collect()
    read.selectExpr("row_number() over (partition by name order by at, id) as place").agg(F.max("place")).collect()


def _stream(spark: SparkSession, kafka: str, folder: str) -> None:
    topics = ["warming", "warmed"]
    KafkaTopics(kafka).create(dict.fromkeys(topics, 1))
    options = {"kafka.bootstrap.servers": kafka, "startingOffsets": "earliest"}
    sent = spark.range(100).select(F.to_json(F.struct("id", F.lit("a").alias("name"))).alias("value"))
    sent.write.format("kafka").options(**options, topic=topics[0]).save()
    log = spark.readStream.format("kafka").options(**options, subscribe=topics[0]).load()
    values = _parsed(log.select(F.col("value").cast("string").alias("value"), "partition", "offset"))
    out = values.select(F.col("name").alias("key"), F.to_json(F.struct("id", "name")).alias("value"))
    target = {**options, "topic": topics[1]}
    queries = [
        out.writeStream.format("kafka")
        .options(**target)
        .option("checkpointLocation", f"{folder}/updates")
        .outputMode("update")
        .trigger(realTime="5 seconds")  # type: ignore[call-overload]  # not in its stubs yet
        .start(),
        log.writeStream.option("checkpointLocation", f"{folder}/raw")
        .trigger(processingTime="2 seconds")
        .foreachBatch(lambda batch, _: batch.write.format("delta").mode("append").save(f"{folder}/raw_table"))
        .start(),
    ]
    queries[0].awaitTermination(STREAMED_S)
    for query in queries:
        query.stop()


def _parsed(values: DataFrame) -> DataFrame:
    record = F.from_json("value", _SHAPE, {"mode": "PERMISSIVE"}).alias("record")
    number = F.try_to_number(F.lit("12.50"), F.lit("99.99"))
    return values.select(record).select(
        "record.id", "record.name", number.cast("decimal(18,2)").alias("price"), F.current_timestamp().alias("at")
    )


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
