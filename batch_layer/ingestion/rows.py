"""Rows of tables as records: one canonical JSON object a row, so that raw holds bytes whatever a record came from.

Keys are sorted; every column stands there, null where it is null. Numbers are exact: integers and decimals to the last
digit and never with an exponent, floats as the shortest text that reads back as the same bits; NaN and infinities, which
JSON lacks, are the texts `NaN`, `Infinity`, `-Infinity`. Timestamps are UTC, `2024-05-01T09:30:00.000000Z`, and have no `Z`
where the column has no zone; dates `2024-05-01`; bytes base64. The same row is the same text.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from py4j.protocol import Py4JJavaError
from pyspark import StorageLevel
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql import types as T  # noqa: N812

from lambda_core.errors import DataError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame

_PLACE_BITS = 33
"""`monotonically_increasing_id` counts within a task in the lower bits, and tasks above them."""
_MOMENT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"


def as_records(frame: DataFrame) -> DataFrame:
    """Return the rows as records: one row a row, `value` (the canonical JSON object, in UTF-8)."""
    fields = [_plain(F.col(_quoted(field.name)), field.dataType).alias(field.name) for field in frame.schema.fields]
    return frame.select(F.to_json(F.to_variant_object(F.struct(*fields))).cast("binary").alias("value"))


def shape(schema: T.StructType) -> str:
    """Return the fingerprint of rows: a hash of the columns' names and types, in their order."""
    return content_id(*(f"{field.name} {field.dataType.simpleString()}" for field in schema.fields))


def numbered(frame: DataFrame) -> tuple[DataFrame, DataFrame]:
    """Return the frame with `number` from 0 without gaps, and what is to be unpersisted once it was used.

    1. Keep the rows on disk, each with its task and its place there, since a second reading might share them otherwise.
    2. Count each task's rows: one small row a task.
    3. A row's number is its place and the rows of all tasks before its own.
    """
    place = F.monotonically_increasing_id()
    kept = frame.withColumn("_place", place).persist(StorageLevel.DISK_ONLY)
    task = F.shiftright(F.col("_place"), _PLACE_BITS)
    try:
        counts = kept.groupBy(task.alias("task")).count().sort("task").collect()  # one row a task
    except BaseException:
        kept.unpersist()  # else who asks for the same rows again would be given those that were read
        raise
    begins, begin = dict[int, int](), 0
    for row in counts:
        begins[row["task"]] = begin - (row["task"] << _PLACE_BITS)
        begin += row["count"]
    offsets = [F.lit(part).cast("bigint") for pair in begins.items() for part in pair]
    number = F.col("_place") + F.element_at(F.create_map(*offsets), task) if offsets else F.col("_place")
    return kept.withColumn("number", number.cast("bigint")).drop("_place"), kept


@contextmanager
def readable(place: str, remedy: str) -> Iterator[None]:
    """Turn what Spark raises while rows of a place are read into a sentence.

    Raises:
        DataError: when they cannot be read; it says what to do about it.
    """
    try:
        yield
    except (Py4JJavaError, PySparkException) as error:
        raise DataError(f"{place}: expected rows that Spark can read, found: {cause_of(error)}; {remedy}") from error


def cause_of(error: Exception) -> str:
    """Return the first line of what was said first, which Spark wraps; or of the error itself."""
    java = getattr(error, "java_exception", None) or getattr(error, "_origin", None)
    while java is not None and java.getCause() is not None:
        java = java.getCause()
    found = str(error if java is None else java.getMessage() or java.toString()).splitlines()
    return found[0] if found else type(error).__name__


def _plain(column: Column, kind: T.DataType) -> Column:
    """Return the column as what JSON can hold exactly; nested values likewise."""
    if isinstance(kind, T.StructType):
        inner = (_plain(column.getField(field.name), field.dataType).alias(field.name) for field in kind.fields)
        return F.when(column.isNotNull(), F.struct(*inner))
    if isinstance(kind, T.ArrayType):
        return F.transform(column, lambda item: _plain(item, kind.elementType))
    if isinstance(kind, T.MapType):
        texts = F.transform_keys(column, lambda key, _: _plain(key, kind.keyType).cast("string"))
        return F.transform_values(texts, lambda _, value: _plain(value, kind.valueType))
    return _single(column, kind)


def _single(column: Column, kind: T.DataType) -> Column:
    if isinstance(kind, T.TimestampType):
        return F.date_format(column, f"{_MOMENT}'Z'")  # the session is in UTC
    if isinstance(kind, T.TimestampNTZType):
        return F.date_format(column, _MOMENT)
    if isinstance(kind, T.BinaryType):
        return F.base64(column)
    if isinstance(kind, T.VariantType | T.BooleanType | T.NumericType):
        return _finite(column, kind)
    return column.cast("string")


def _finite(column: Column, kind: T.DataType) -> Column:
    """Return floats as variants, of which those that are no number are texts; others as they are."""
    if not isinstance(kind, T.DoubleType | T.FloatType):
        return column
    wide = column.cast("double") if isinstance(kind, T.DoubleType) else column
    is_number = ~F.isnan(wide) & (F.abs(wide) != F.lit(float("inf")))
    return F.when(is_number, wide.cast("variant")).otherwise(wide.cast("string").cast("variant"))


def _quoted(name: str) -> str:
    return "`" + name.replace("`", "``") + "`"
