"""A table or query of a database, over JDBC: what lies above the greatest value that was read, or the whole."""

from __future__ import annotations

import os
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from py4j.protocol import Py4JError
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.ingestion.rows import as_records, cause_of, shape
from batch_layer.ingestion.strategy import Batch
from lambda_core.errors import ConfigError, ServerError
from lambda_core.schemas.ids import content_id

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import Column, DataFrame

    from batch_layer.ingestion.strategy import Request
    from lambda_core.config.origins import Jdbc as Declared


class JdbcRows:
    """Rows of a database.

    *With an ascending column*: the rows whose value lies above that of the last batch, up to the greatest one there is
    now; both bounds name the batch. A row that appears later with a value that is not above is not seen: the column must
    grow with every row that becomes visible. Rows in which it is null are not read.
    *Without, or full*: all rows, of which those that raw lacks are added.
    """

    def __init__(self, declared: Declared) -> None:
        self._declared = declared
        self._place = declared.table or "query"
        self._what = declared.table or f"({declared.query}) q"

    def batches(self, request: Request) -> Iterator[Batch]:
        """Return one batch, or none where nothing lies above the last.

        Raises:
            ConfigError: when a variable that is to hold a secret is not set.
            ServerError: when the database does not answer, or refuses; also while the rows are read.
        """
        column = self._declared.ascending
        with self._answering(request):
            rows = self._read(request, self._what)
            if column is None:
                yield self._batch(request, rows, content_id("jdbc", self._what, "whole"), None, whole=True)
                return
            since = None if request.full else request.since(self._place)
            least, greatest = self._bounds(request, rows, column)
            if greatest is None or greatest == since:
                return
            # Bounded in any case: a row that comes meanwhile is the next batch's, whose cursor begins at this bound.
            bounded = self._between(request, rows, column, (since, least, greatest))
            identity = content_id("jdbc", self._what, column, since, greatest)
            yield self._batch(request, bounded, identity, greatest, whole=request.full)

    def _batch(self, request: Request, rows: DataFrame, content: str, cursor: str | None, *, whole: bool) -> Batch:
        return Batch(
            content,
            self._place,
            shape(rows.schema),
            lambda: as_records(rows),
            cursor=cursor,
            whole=whole,
            reading=partial(self._answering, request),
        )

    def _bounds(self, request: Request, rows: DataFrame, column: str) -> tuple[str | None, str | None]:
        """Return the least and the greatest value there is, as texts; the database works them out."""
        kind = rows.select(column).schema.fields[0].dataType
        asked = f"(select min({column}) as least, max({column}) as greatest from {self._what}) bounds"
        found = self._read(request, asked).select(
            *(F.col(name).cast(kind).cast("string") for name in ("least", "greatest"))
        )
        least, greatest = found.collect()[0]
        return least, greatest

    def _between(
        self, request: Request, rows: DataFrame, column: str, bounds: tuple[str | None, str | None, str | None]
    ) -> DataFrame:
        """Return the rows above the first bound up to the last one, read by several connections where that is declared."""
        since, least, greatest = bounds
        kind = rows.select(column).schema.fields[0].dataType

        def value(text: str | None) -> Column:
            return F.lit(text).cast(kind)

        if self._declared.partitions > 1:
            shares = {"partitionColumn": column, "numPartitions": self._declared.partitions}
            rows = self._read(request, self._what, **shares, lowerBound=since or least, upperBound=greatest)
        above = F.col(column) <= value(greatest)
        return rows.where(above if since is None else above & (F.col(column) > value(since)))

    def _read(self, request: Request, what: str, **more: Any) -> DataFrame:
        declared = self._declared
        options: dict[str, Any] = {"url": declared.url, "dbtable": what, "fetchsize": declared.fetch}
        for option, variable in (("user", declared.user_from), ("password", declared.password_from)):
            if variable is not None:
                options[option] = _secret(variable, f"sources.{request.source}.jdbc.{option}_from")
        if declared.driver is not None:
            options["driver"] = declared.driver
        return request.spark.read.format("jdbc").options(**options, **more).load()

    @contextmanager
    def _answering(self, request: Request) -> Iterator[None]:
        """Turn what the driver raises into a sentence without secrets."""
        try:
            yield
        except (Py4JError, PySparkException) as error:
            told = cause_of(error)
            for variable in (self._declared.user_from, self._declared.password_from):
                if variable is not None and os.environ.get(variable):
                    told = told.replace(os.environ[variable], "***")
            raise ServerError(
                f"source {request.source}: expected rows of {self._declared.table or 'the query'} from "
                f"{self._declared.url.partition('?')[0].partition(';')[0]}, found: {told}; start the database, or correct "
                f"sources.{request.source}.jdbc"
            ) from None  # its trace would tell the connection's properties


def _secret(variable: str, path: str) -> str:
    if variable not in os.environ:
        raise ConfigError(f"{path}: expected the environment variable {variable} to be set, found that it is not")
    return os.environ[variable]
