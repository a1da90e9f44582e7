"""The project's Spark SQL, looked at before it runs: what it may name, and what it may not ask."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql.types import BooleanType

from lambda_core.cleaning.reading import POSITIONS
from lambda_core.errors import ConfigError
from lambda_core.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType

_TEXTS = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")
_PRESENT = re.compile(r"\bunix_timestamp\s*\(\s*\)")
_WORDS = re.compile(r"[a-z_][a-z0-9_]*")
_NOT_OF_THE_RECORD = frozenset(
    _WORDS.findall(
        """
        rand random randn randstr uuid uniform shuffle
        now curdate current_date current_time current_timestamp localtimestamp
        current_user user session_user input_file_name input_file_block_start input_file_block_length
        monotonically_increasing_id spark_partition_id over select
        explode explode_outer posexplode posexplode_outer inline inline_outer stack json_tuple
        reflect java_method try_reflect
        """
    )
)
"""Functions whose answer is not of the record alone, or that make several rows of one."""


def analyse(frame: DataFrame, expression: str, path: str) -> DataType:
    """Return the type of a Spark SQL expression over the frame's columns.

    Args:
        frame: has the columns that the expression may name; its positions, and columns that begin with an underscore,
            are not for it.
        expression: Spark SQL.
        path: key path of the expression in the project, for the error.

    Raises:
        ConfigError: when it cannot be read, names what is not there, or asks for more than its record.
    """
    names = [name for name in frame.columns if not name.startswith("_") and name not in POSITIONS]
    refuse_beyond_record(expression, names, path)
    try:
        # Beside its record's columns, so that an aggregate, which would be alone, is refused.
        return frame.select(*names).selectExpr("*", f"({expression}) as `_it`").schema["_it"].dataType
    except (AnalysisException, ParseException) as error:
        raise ConfigError(f"{path}: {_sentence(error, names)}; the expression is: {expression}") from error


def no_condition(given: DataType, path: str) -> str | None:
    """Return the sentence about an expression that is no condition; None where it is one."""
    if isinstance(given, BooleanType):
        return None
    return f"{path}: expected a condition, found an expression of type {given.simpleString()}"


def refuse_beyond_record(expression: str, names: Sequence[str], path: str) -> None:
    """Refuse what would make a record become one thing now and another later.

    Raises:
        ConfigError: naming the function.
    """
    bare = _TEXTS.sub("''", expression.lower())
    beyond = sorted((set(_WORDS.findall(bare)) & _NOT_OF_THE_RECORD) - set(names))
    if _PRESENT.search(bare):
        beyond.append("unix_timestamp()")
    if beyond:
        raise ConfigError(
            f"{path}: expected an expression over its own record alone, found {', '.join(beyond)}; "
            f"what a record becomes may not depend on the clock, on chance or on other records"
        )


def _sentence(error: AnalysisException | ParseException, names: Sequence[str]) -> str:
    parameters = error.getMessageParameters() or {}
    if (error.getCondition() or "").startswith("UNRESOLVED_COLUMN"):
        found = parameters.get("objectName", "").replace("`", "")
        return f"expected one of {', '.join(sorted(names))}; found {found!r}{nearest(found, names)}"
    return f"expected Spark SQL, found what Spark refuses: {str(error).splitlines()[0]}"
