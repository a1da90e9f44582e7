"""The peer: features, point-in-time rows and ingestion by stock PySpark, the way its users write it. No code of ours.

`batch_spark.py CASE WARM FOLDER JARS` works on the small folder, says `warm`, works on the other, and says how many
seconds that took. What it reads lies in `orders/` and `asks/` (Parquet) or `data/` (lines); what it makes, in `spark-CASE`.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession, Window, WindowSpec
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from warmly import work_warmly

DAY_MS = 86_400_000
WINDOWS = {"1d": DAY_MS, "7d": 7 * DAY_MS}
SCHEMA = "number long, shop string, amount double, at_ms long"


def every(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the features at every order: range windows over the shop's orders in order of time."""
    orders = spark.read.parquet(str(folder / "orders"))
    return orders.select("number", *(column for name in WINDOWS for column in over(ranged(name), name)))


def windows_by_range(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the features at every ask: asks among the orders, range windows over both."""
    both = united(spark, folder)
    found = both.select("asks", "number", *(column for name in WINDOWS for column in over(ranged(name), name)))
    return found.where("asks").drop("asks")


def windows_by_join(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the features at every ask: the orders of its windows joined to it, and aggregated."""
    values = []
    for name, length_ms in WINDOWS.items():
        seen = F.when(F.col("at_ms") >= F.col("t") - length_ms, F.col("amount"))
        values += aggregates(name, F.count(seen), seen)
    return joined(spark, folder).groupBy("number").agg(*values)


def latest_by_range(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the newest amount at every ask: asks among the orders, the last value of a range window over both."""
    newest = F.last("amount", ignorenulls=True).over(ranged("7d")).alias("amount_latest_7d")
    return united(spark, folder).select("asks", "number", newest).where("asks").drop("asks")


def latest_by_join(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the newest amount at every ask: the orders of its window joined to it, and the last one taken."""
    return joined(spark, folder).groupBy("number").agg(F.max_by("amount", "at_ms").alias("amount_latest_7d"))


def csv(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the rows of the files of CSV."""
    return spark.read.csv(str(folder / "data"), SCHEMA, header=True)


def jsonl(spark: SparkSession, folder: Path) -> DataFrame:
    """Return the rows of the files of JSON."""
    return spark.read.json(str(folder / "data"), SCHEMA)


def ranged(name: str) -> WindowSpec:
    """Return the window of a shop's rows before this one, by time."""
    return Window.partitionBy("shop").orderBy("at_ms").rangeBetween(-WINDOWS[name], -1)


def over(window: WindowSpec, name: str) -> list:
    """Return the features of a window, named."""
    amount = F.col("amount")
    values = [F.count("amount"), F.sum(amount), F.avg(amount), F.min(amount), F.max(amount)]
    named = [f"count_{name}", *(f"amount_{kind}_{name}" for kind in ("sum", "mean", "min", "max"))]
    return [value.over(window).alias(each) for value, each in zip(values, named, strict=True)]


def aggregates(name: str, count: F.Column, seen: F.Column) -> list:
    """Return the features of what is seen, named."""
    values = {"sum": F.sum(seen), "mean": F.avg(seen), "min": F.min(seen), "max": F.max(seen)}
    return [count.alias(f"count_{name}"), *(value.alias(f"amount_{kind}_{name}") for kind, value in values.items())]


def united(spark: SparkSession, folder: Path) -> DataFrame:
    """Return asks and orders as one; an ask has no amount."""
    orders = spark.read.parquet(str(folder / "orders")).withColumn("asks", F.lit(False))  # noqa: FBT003 - a column's
    asks = spark.read.parquet(str(folder / "asks")).withColumn("asks", F.lit(True))  # noqa: FBT003 - value
    return orders.unionByName(asks, allowMissingColumns=True)


def joined(spark: SparkSession, folder: Path) -> DataFrame:
    """Return each ask with each order of the seven days before it; an ask that has none, once."""
    orders = spark.read.parquet(str(folder / "orders")).select("shop", "amount", "at_ms")
    asks = spark.read.parquet(str(folder / "asks")).select(
        "number", F.col("shop").alias("asker"), F.col("at_ms").alias("t")
    )
    near = (F.col("at_ms") < F.col("t")) & (F.col("at_ms") >= F.col("t") - WINDOWS["7d"])
    return asks.join(orders, (F.col("asker") == F.col("shop")) & near, "left")


CASES: dict[str, Callable[[SparkSession, Path], DataFrame]] = {
    "every": every,
    "every-tree": every,
    "windows": windows_by_range,
    "windows-join": windows_by_join,
    "latest": latest_by_range,
    "latest-join": latest_by_join,
    "csv": csv,
    "json": jsonl,
}


def main() -> None:
    """Work on the small folder, then on the other."""
    case, warm, measured, jars = sys.argv[1:]
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.extraClassPath", jars)
        .config("spark.driver.memory", "5g")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.sql.shuffle.partitions", "4")
        .config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension")
        .config("spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
        .config("spark.local.dir", str(Path(measured) / "spark-local"))
        .config("spark.ui.enabled", "false")
        .getOrCreate()
    )
    spark.sparkContext.setLogLevel("ERROR")
    spark.conf.set("spark.sql.window.segmentTree.enabled", str(case.endswith("-tree")).lower())
    form = "delta" if case in {"csv", "json"} else "parquet"
    work_warmly(
        [warm, measured],
        f"spark-{case}",
        lambda folder, out: CASES[case](spark, folder).write.format(form).mode("append").save(str(out)),
    )


if __name__ == "__main__":
    main()
