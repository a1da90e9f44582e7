"""Request features where there is no Spark: the same Spark SQL, translated for DuckDB, over one event's typed columns.

1. A feature's expression is the one that the stream and the training rows evaluate (`requests_sql`).
2. It is translated, and what the two engines do otherwise is rewritten: truncating casts, rounding half up by the
   decimal digits, divisions by zero, substrings from zero. One difference stays: a float outside 64 bits cast to a
   whole number is null here, where Spark takes the greatest one.
3. Only what `PROVEN` names is translated: a contract test feeds both engines the same random rows. Anything else is a
   clear error that names the way out: give the feature's value by its name.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from functools import cached_property
from threading import local
from typing import TYPE_CHECKING, Any

import duckdb
import sqlglot
from sqlglot import expressions as e
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.annotate_types import annotate_types
from sqlglot.schema import MappingSchema

from lambda_core.errors import ConfigError, SchemaError
from lambda_core.features.requests_sql import request_feature_sql

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.config.project import Column, FeatureSet, RequestFeature, Source

PROVEN: tuple[type[e.Expr], ...] = (
    *(e.Column, e.Identifier, e.Literal, e.Null, e.Boolean, e.Paren, e.Alias, e.Tuple, e.Anonymous),
    *(e.Add, e.Sub, e.Mul, e.Div, e.IntDiv, e.Mod, e.Neg),
    *(e.EQ, e.NEQ, e.GT, e.GTE, e.LT, e.LTE, e.NullSafeEQ, e.Between, e.In, e.Is, e.Not, e.And, e.Or, e.Like),
    *(e.Case, e.If, e.Coalesce, e.Nullif, e.Cast, e.TryCast, e.DataType),
    *(e.Abs, e.Least, e.Greatest, e.Round, e.Floor, e.Ceil),
    *(e.Length, e.Upper, e.Lower, e.Substring, e.Concat, e.DPipe, e.Trim),
)
"""Every piece of an expression that the contract test has compared with Spark."""

_SQL_TYPES = {"integer": "BIGINT", "float": "DOUBLE", "string": "VARCHAR", "boolean": "BOOLEAN"}
_WHOLE = (*e.DataType.INTEGER_TYPES, e.DataType.Type.BOOLEAN)


class RequestExpressions:
    """The request features of one feature set, worked out from the columns of the source that asks."""

    def __init__(self, feature_set: FeatureSet, source: Source) -> None:
        self._features = feature_set.request_features
        self._columns = source.all_columns
        self._threads = local()

    def evaluate(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return every request feature by name; None where the expression gives null for this event.

        Args:
            event: typed columns by name (numbers, texts, booleans); what is not given is null.

        Raises:
            SchemaError: when a value is not of its column's type. ConfigError: when an expression is not `PROVEN`.
        """
        values = {name: typed(name, column, event.get(name)) for name, column in self._used.items()}
        if not self._translated:
            return {name: self._plain(feature, values) for name, feature in self._features.items()}
        row = self._connection.execute(self._statement, list(values.values())).fetchone()
        return dict(zip(self._features, row or (), strict=True))

    @cached_property
    def _translated(self) -> bool:
        """Tell whether any feature is more than a column as it is."""
        return any(feature.expression not in self._columns for feature in self._features.values())

    @cached_property
    def _used(self) -> dict[str, Column]:
        used = {
            column.name
            for feature in self._features.values()
            for column in _parsed(feature.expression).find_all(e.Column)
        }
        return {name: column for name, column in self._columns.items() if name in used and column.type in _KINDS}

    @cached_property
    def _statement(self) -> str:
        inputs = [f"CAST(? AS {sql_type(column)}) AS {_quoted(name)}" for name, column in self._used.items()]
        outputs = [to_duckdb(request_feature_sql(feature), self._used) for feature in self._features.values()]
        return f"SELECT {', '.join(outputs)} FROM (SELECT {', '.join(inputs) or '1'})"

    @property
    def _connection(self) -> duckdb.DuckDBPyConnection:
        if not hasattr(self._threads, "connection"):
            connection = duckdb.connect(":memory:", config={"threads": 1})
            connection.execute("SET ieee_floating_point_ops = true")
            self._threads.connection = connection
        return self._threads.connection  # type: ignore[no-any-return]

    def _plain(self, feature: RequestFeature, values: dict[str, Any]) -> Any:
        value = values[feature.expression]
        if value is None or feature.type == "string":
            return None if value is None else str(value)
        return float(value) if feature.type == "float" else int(value)


_KINDS = (*_SQL_TYPES, "decimal")


def typed(name: str, column: Column, value: Any) -> Any:
    """Return a value as its column keeps it: decimals rounded half up to their scale.

    Raises:
        SchemaError: when the value is not of the column's type.
    """
    if value is None:
        return None
    number = isinstance(value, int | float | Decimal) and not isinstance(value, bool)
    try:
        if column.type == "integer" and number and value == int(value) and abs(value) < 2**63:
            return int(value)
        if column.type == "decimal" and number:
            exact = Decimal(str(value)).quantize(Decimal(1).scaleb(-column.scale), ROUND_HALF_UP)
            if abs(exact) < Decimal(10) ** (18 - column.scale):
                return exact + 0
        if column.type == "float" and number and abs(value) < float("inf"):
            return float(value) + 0.0
    except (OverflowError, ValueError, InvalidOperation):
        pass  # no finite number: told below
    if (column.type == "boolean" and isinstance(value, bool)) or (column.type == "string" and isinstance(value, str)):
        return value
    raise SchemaError(f"event.{name}: expected {column.type}, found {value!r}")


def sql_type(column: Column) -> str:
    """Return the DuckDB type of a column's values."""
    return f"DECIMAL(18,{column.scale})" if column.type == "decimal" else _SQL_TYPES[column.type]


def to_duckdb(expression: str, columns: Mapping[str, Column]) -> str:
    """Return DuckDB's SQL of a Spark SQL expression over these columns; null where DuckDB would raise.

    Raises:
        ConfigError: when the expression cannot be read, or uses what no contract test has compared.
    """
    tree = _parsed(expression)
    for node in tree.walk():
        if not isinstance(node, PROVEN) or (isinstance(node, e.Anonymous) and node.name.lower() != "double"):
            raise ConfigError(
                f"request feature {expression!r}: {node.sql('spark')!r} is not among what serving works out as Spark "
                "does; derive a column of the source by it, and give the feature's value by name when asking"
            )
    if columns:
        tree = _with_types(tree, columns)
    return f"TRY({tree.transform(_as_spark_does).sql('duckdb')})"


def _with_types(tree: e.Expr, columns: Mapping[str, Column]) -> e.Expr:
    schema = MappingSchema({"event": {name: sql_type(column) for name, column in columns.items()}}, dialect="duckdb")
    for column in tree.find_all(e.Column):
        column.set("table", e.to_identifier("event"))
    tree = annotate_types(e.select(tree).from_("event"), schema=schema, dialect="spark").selects[0]
    for column in tree.find_all(e.Column):
        column.set("table", None)
    return tree


def _as_spark_does(node: e.Expr) -> e.Expr:
    """Rewrite what DuckDB would do otherwise than Spark."""
    if isinstance(node, e.Anonymous):  # double('infinity')
        return e.Cast(this=e.Literal.string("infinity"), to=e.DataType.build("double"))
    if isinstance(node, e.Mod | e.IntDiv):
        return type(node)(this=node.this, expression=e.Nullif(this=node.expression, expression=e.Literal.number(0)))
    if isinstance(node, e.Floor | e.Ceil):  # whole numbers in Spark, which have no negative zero
        return e.Paren(this=e.Add(this=node.copy(), expression=e.Literal.number(0)))
    if isinstance(node, e.Substring) and node.args["start"].sql() == "0":
        return e.Substring(this=node.this, start=e.Literal.number(1), length=node.args.get("length"))
    return _rounded_as_spark_does(node)


def _rounded_as_spark_does(node: e.Expr) -> e.Expr:
    given = node.this.type.this if isinstance(node.this, e.Expr) and node.this.type is not None else None
    if isinstance(node, e.Cast | e.TryCast) and node.to.this in e.DataType.INTEGER_TYPES and given not in _WHOLE:
        return e.TryCast(this=e.Anonymous(this="TRUNC", expressions=[node.this]), to=node.to)
    if isinstance(node, e.Round) and given in e.DataType.FLOAT_TYPES:
        digits = e.TryCast(this=e.Cast(this=node.this, to=e.DataType.build("text")), to=_LONG_DECIMAL.copy())
        return e.Cast(this=e.Round(this=digits, decimals=node.args.get("decimals")), to=e.DataType.build("double"))
    return node


_LONG_DECIMAL = e.DataType.build("decimal(38,17)", dialect="duckdb")


def _parsed(expression: str) -> e.Expr:
    try:
        return sqlglot.parse_one(expression, read="spark")
    except SqlglotError as error:
        raise ConfigError(f"request feature {expression!r}: expected a Spark SQL expression: {error}") from error


def _quoted(name: str) -> str:
    return e.to_identifier(name, quoted=True).sql("duckdb")
