"""What names the shape of a Parquet file, and which types are refused with their column."""

from __future__ import annotations

import uuid
from decimal import Decimal
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql.pandas.types import from_arrow_schema

from batch_layer.ingestion.parquet_columns import fingerprint_of, shape_of
from batch_layer.ingestion.rows import shape
from lambda_core.errors import DataError

READ = pa.schema(
    {
        "id": pa.int64(),
        "small": pa.int8(),
        "price": pa.decimal128(9, 2),
        "name": pa.large_string(),
        "kind": pa.dictionary(pa.int8(), pa.string()),
        "at": pa.timestamp("us", "UTC"),
        "local": pa.timestamp("us"),
        "day": pa.date32(),
        "list": pa.list_(pa.struct({"a": pa.float32(), "b": pa.map_(pa.string(), pa.bool_())})),
    }
)
HALF = np.array([1.5], dtype="float16")


def test_types_that_spark_has_too_are_named_as_ever(tmp_path: Path):
    pq.write_table(READ.empty_table(), tmp_path / "a.parquet")

    assert fingerprint_of(tmp_path / "a.parquet") == shape_of(READ) == shape(from_arrow_schema(READ))


def test_unsigned_columns_have_a_shape_of_their_own(tmp_path: Path):
    kinds = [pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64(), pa.list_(pa.uint8()), pa.int64()]
    shapes = set()
    for kind in kinds:
        pq.write_table(pa.schema({"n": kind}).empty_table(), tmp_path / "a.parquet")
        shapes.add(fingerprint_of(tmp_path / "a.parquet"))

    assert len(shapes) == len(kinds)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        (pa.array(HALF), "column x: expected a type that Spark reads, found FLOAT16; write it as a float of 32 bits"),
        (pa.array([HALF]), "column x.list.element: expected a type that Spark reads, found FLOAT16"),
        (
            pa.array([1], pa.timestamp("ns")),
            "found TIMESTAMP in nanoseconds; write it as microseconds (`coerce_timestamps",
        ),
        (pa.array([1], pa.time32("s")), "found TIME in milliseconds; write it as a text, or a number"),
        (
            pa.array([Decimal(1)], pa.decimal256(39, 0)),
            "found DECIMAL of 39 digits; write it as one of 38 digits at most",
        ),
        (pa.array([uuid.UUID(int=7).bytes], pa.uuid()), "found UUID; write it as a text"),
    ],
)
def test_a_type_that_spark_does_not_read_is_refused_with_its_column(tmp_path: Path, values: pa.Array, told: str):
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"id": [1], "x": values}), path)

    with pytest.raises(DataError) as refused:
        fingerprint_of(path)

    assert str(refused.value).startswith(f"{path}, column x")
    assert told in str(refused.value)


def test_moments_of_96_bits_are_read_though_arrow_says_nanoseconds(tmp_path: Path):
    table = pa.table({"at": pa.array([1], pa.timestamp("ns"))})
    pq.write_table(table, tmp_path / "a.parquet", use_deprecated_int96_timestamps=True)

    assert fingerprint_of(tmp_path / "a.parquet") == shape_of(table.schema)
