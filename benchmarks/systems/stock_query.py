"""The peer: windowed features by stock PySpark, written the way its users write it. A program of its own; no code of ours.

`stock_query.py KAFKA REDIS TOPIC CHECKPOINT JARS [MAX_OFFSETS]`: JSON from the topic, the default trigger; each batch is
aggregated by shop and tile of five minutes, and what it found is added to the shop's hash in Redis:
`<tile>:n`, `<tile>:s`, `<tile>:m`, and `p:<partition>`, the last offset.
"""

import sys

import redis
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

TILE_MS = 300_000


def main() -> None:
    """Run the query until the process is ended."""
    kafka, url, topic, checkpoint, jars, *limit = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[*]")
        .config("spark.driver.extraClassPath", jars)
        .config("spark.driver.memory", "3g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    store = redis.Redis.from_url(url)
    source = (
        spark.readStream.format("kafka")
        .option("kafka.bootstrap.servers", kafka)
        .option("subscribe", topic)
        .option("startingOffsets", "earliest")
    )
    if limit:
        source = source.option("maxOffsetsPerTrigger", limit[0])
    value = F.from_json(F.col("value").cast("string"), "shop string, amount long, at long")
    events = source.load().select("partition", "offset", value.alias("event")).select("partition", "offset", "event.*")

    def write(batch: DataFrame, _number: int) -> None:
        tile = (F.col("at") - F.col("at") % TILE_MS).alias("tile")
        found = batch.groupBy("shop", tile, "partition").agg(
            F.count("*").alias("n"), F.sum("amount").alias("s"), F.max("amount").alias("m"), F.max("offset").alias("o")
        )
        merge(store, found.collect())

    query = events.writeStream.foreachBatch(write).option("checkpointLocation", checkpoint).start()
    query.awaitTermination()


def merge(store: redis.Redis, rows: list) -> None:
    """Add what a batch found: counts and sums by increments, the maximum by reading and writing."""
    with store.pipeline(transaction=False) as reading:
        for row in rows:
            reading.hget(f"peer:{row.shop}", f"{row.tile}:m")
        greatest = reading.execute()
    with store.pipeline(transaction=False) as writing:
        for row, held in zip(rows, greatest, strict=True):
            name = f"peer:{row.shop}"
            writing.hincrby(name, f"{row.tile}:n", row.n)
            writing.hincrby(name, f"{row.tile}:s", row.s)
            greater = row.m if held is None else max(row.m, int(held))
            writing.hset(name, mapping={f"{row.tile}:m": greater, f"p:{row.partition}": row.o})
        writing.execute()


if __name__ == "__main__":
    main()
