"""The edge of the core's transformations: finished rows pass through Python workers once, and have their new values then."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa
from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it

from lambda_core.features.transformations import Column

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame

    from lambda_core.features.transformations.series import Series

BEFORE = "label"
"""The column behind the vector; what is made of the vector's values stands before it."""


def transformed(rows: DataFrame, series: Series | None) -> DataFrame:
    """Return the rows with the series' new values behind the others of the vector; without a series, as they are.

    Args:
        rows: one row an asking event, as `training_rows` says, with the values that are read.
        series: what makes new ones of them.
    """
    if series is None:
        return rows
    types = {"integer": T.LongType(), "float": T.DoubleType()}
    made = [T.StructField(name, types[kind]) for name, kind in series.kinds.items()]
    place = rows.columns.index(BEFORE)
    fields = rows.schema.fields
    return rows.mapInArrow(
        lambda batches: widened(batches, series), T.StructType([*fields[:place], *made, *fields[place:]])
    )


def widened(batches: Iterable[pa.RecordBatch], series: Series) -> Iterator[pa.RecordBatch]:
    """Yield the batches with the series' new values before their column `label`; all else is handed on untouched."""
    for batch in batches:
        place, names = batch.schema.get_field_index(BEFORE), batch.schema.names
        found = series.of_columns({name: _column(batch.column(name)) for name in series.given})
        new = [pa.array(one.values, mask=~one.present) for one in found.values()]
        yield pa.RecordBatch.from_arrays(
            [*batch.columns[:place], *new, *batch.columns[place:]], names=[*names[:place], *found, *names[place:]]
        )


def _column(values: pa.Array) -> Column:
    present = values.is_valid().to_numpy(zero_copy_only=False)
    return Column(values.fill_null(0).to_numpy(zero_copy_only=False), present)
