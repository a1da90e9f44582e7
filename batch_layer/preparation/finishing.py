"""From answered askers to training rows, a table of Arrow's at a time: the columns in their order, and what is made of values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it
from pyspark.sql.pandas.types import to_arrow_type

from lambda_core.features.transformations import Column

if TYPE_CHECKING:
    from lambda_core.features.transformations.series import Series

OUTCOME = {"label": T.IntegerType(), "label_known_ms": T.LongType()}
ENTITIES = "entities"
_MADE = {"integer": T.LongType(), "float": T.DoubleType()}


@dataclass(frozen=True)
class Finish:
    """What makes training rows of askers that every group has answered.

    Attributes:
        first: the columns before the entities. vector: those behind them, which are read.
        entities: feature group -> the column with the canonical key of the asker's entity.
        series: what makes further values of the vector; None: nothing does.
    """

    first: tuple[str, ...]
    entities: dict[str, str]
    vector: tuple[str, ...]
    series: Series | None

    def schema(self, asked: T.StructType) -> T.StructType:
        """Return the schema of training rows, given the askers'."""
        made = self.series.kinds.items() if self.series is not None else ()
        return T.StructType(
            [
                *(asked[name] for name in self.first),
                T.StructField(ENTITIES, T.MapType(T.StringType(), T.StringType())),
                *(asked[name] for name in self.vector),
                *(T.StructField(name, _MADE[kind]) for name, kind in made),
                *(T.StructField(name, kind) for name, kind in OUTCOME.items()),
            ]
        )

    def of(self, asked: pa.Table) -> pa.Table:
        """Return one training row an asker; without an outcome where askers came without one."""
        rows = asked.select(self.first).append_column(ENTITIES, _entities(asked, self.entities))
        for name in self.vector:
            rows = rows.append_column(name, asked.column(name))
        if self.series is not None:
            rows = widened(rows, self.series)
        for name, kind in OUTCOME.items():
            told = asked.column(name) if name in asked.column_names else pa.nulls(len(asked), to_arrow_type(kind))
            rows = rows.append_column(name, told)
        return rows


def widened(rows: pa.Table, series: Series) -> pa.Table:
    """Return the rows with the series' new values behind their columns."""
    found = series.of_columns({name: _column(rows.column(name).combine_chunks()) for name in series.given})
    for name, one in found.items():
        rows = rows.append_column(name, pa.array(one.values, mask=~one.present))
    return rows


def _entities(asked: pa.Table, groups: dict[str, str]) -> pa.Array:
    """Return a map a row: feature group -> canonical key; null where there is no such entity."""
    rows, width = len(asked), len(groups)
    names = pa.array(list(groups), pa.string()).take(pa.array(np.tile(np.arange(width), rows)))
    keys = pa.concat_arrays(
        [asked.column(key).combine_chunks() for key in groups.values()] or [pa.array([], pa.string())]
    )
    row_by_row = np.arange(rows * width).reshape(width, rows).T.ravel()
    return pa.MapArray.from_arrays(
        pa.array(np.arange(rows + 1) * width, pa.int32()), names, keys.take(pa.array(row_by_row))
    )


def _column(values: pa.Array) -> Column:
    present = values.is_valid().to_numpy(zero_copy_only=False)
    return Column(values.fill_null(0).to_numpy(zero_copy_only=False), present)
