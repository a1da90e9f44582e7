"""The columns of a Parquet file: what names their shape, and whether Spark has a type for each."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.errors import PySparkTypeError
from pyspark.sql.pandas.types import from_arrow_schema

from lambda_core.errors import DataError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from pathlib import Path

_MOST_DIGITS = 38


def fingerprint_of(path: Path) -> str:
    """Return what names the shape of a file's rows.

    Raises:
        DataError: when it is no Parquet, or a column has a type that Spark does not read.
    """
    try:
        with pq.ParquetFile(path) as file:
            schema, columns = file.schema_arrow, [file.schema.column(place) for place in range(len(file.schema))]
    except pa.ArrowException as error:
        raise DataError(f"{path}: expected a Parquet file, found another: {error}") from error
    for column in columns:
        if unread := _unread(column):
            found, instead = unread
            raise DataError(
                f"{path}, column {column.path}: expected a type that Spark reads, found {found}; write it as {instead}"
            )
    return shape_of(schema)


def shape_of(schema: pa.Schema) -> str:
    """Return the fingerprint of rows, by Spark's names of the types; by Arrow's own where it has none.

    An unsigned integer has none: from Parquet, and only from there, Spark reads it as an integer of more bits or a decimal.
    """
    return content_id(*(f"{field.name} {_type(field)}" for field in schema))


def _type(field: pa.Field) -> str:
    try:
        return str(from_arrow_schema(pa.schema([field])).fields[0].dataType.simpleString())
    except PySparkTypeError:
        return str(field.type)


def _unread(column: pq.ColumnSchema) -> tuple[str, str] | None:
    """Return which type a column has that Spark does not read, and what to write in its place; None for all others."""
    told = json.loads(column.logical_type.to_json())
    kind, unit = str(column.logical_type.type), told.get("timeUnit")
    if kind == "FLOAT16":
        return kind, "a float of 32 bits"
    if kind == "TIMESTAMP" and unit == "nanoseconds":
        return f"{kind} in {unit}", "microseconds (`coerce_timestamps='us'` of pandas and Arrow)"
    if kind == "TIME":
        return f"{kind} in {unit}", "a text, or a number"
    if kind == "UUID":
        return kind, "a text"
    if kind == "DECIMAL" and told["precision"] > _MOST_DIGITS:
        return f"{kind} of {told['precision']} digits", f"one of {_MOST_DIGITS} digits at most"
    return None
