"""A small shop: what the tests of cleaning declare and clean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from lambda_core.cleaning import clean, read_fields
from lambda_core.config.project import Project

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row, SparkSession

NOON = 1_700_049_600_000
"""2023-11-15T12:00:00Z: the append time of every record, unless told otherwise."""

RECORD = "value binary, header string, `partition` int, `offset` bigint, append_time_ms bigint"


def build_shop(**orders: Any) -> Project:
    """A project with one source of orders; keywords replace or add keys of the source."""
    source = {
        "topic": "orders",
        "null_values": ["", "NA"],
        "columns": {
            "id": {"type": "string", "required": True},
            "item": {"type": "string"},
            "count": {"type": "integer", "min": 1, "max": 99, "unit": "pieces"},
            "price": {"type": "decimal", "scale": 2},
            "happened": {"type": "integer"},
        },
        "derive": {"moment": {"type": "timestamp", "expression": "timestamp_millis(happened)"}},
        "event_time": "moment",
        "unique_key": ["id"],
        **orders,
    }
    items = {
        "kind": "reference",
        "files": {"path": "items.csv"},
        "columns": {"sku": {"type": "string"}, "weight": {"type": "decimal", "scale": 3}, "label": {"type": "string"}},
        "unique_key": ["sku"],
    }
    return Project.model_validate({"project": "shop", "sources": {"orders": source, "items": items}})


@pytest.fixture(scope="session")
def shop() -> Callable[..., Project]:
    """Build the shop, its orders declared with the given keys replaced."""
    return build_shop


@pytest.fixture(scope="session")
def records(spark: SparkSession) -> Callable[..., DataFrame]:
    """Make a frame of records as the raw table has them, at offsets 0, 1, ... of a partition."""

    def make(values: list[bytes | None], header: str | None = None, partition: int = 0) -> DataFrame:
        rows = [(value, header, partition, offset, NOON) for offset, value in enumerate(values)]
        return spark.createDataFrame(rows, RECORD)

    return make


@pytest.fixture(scope="session")
def cleaned(records: Callable[..., DataFrame]) -> Callable[..., list[Row]]:
    """Clean JSON records of the shop's orders; one row a record, in their order."""

    def run(project: Project, values: list[bytes], partition: int = 0, items: DataFrame | None = None) -> list[Row]:
        read = read_fields(project.sources["orders"], records(values, partition=partition))
        frame = clean(project, "orders", read, {} if items is None else {"items": items})
        return frame.orderBy("offset").collect()

    return run
