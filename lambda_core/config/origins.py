"""Where a source's records come from besides its topic's stream: files, a Delta table, a database, the topic in ranges."""

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from lambda_core.config.section import Section

Variable = Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]*$")]
"""The name of an environment variable that holds a secret; the secret itself never stands in a file."""
COMMA = ","
_SECRET = re.compile(r"(password|pwd|secret|token)\s*=|//[^/@\s]*:[^/@\s]*@", re.IGNORECASE)


class Files(Section):
    """Where a source's files lie; a pattern such as `orders/*.csv` names several.

    Attributes:
        path: below the environment's data folder, or from the root on (`/srv/orders.csv`); `**` stands for folders of
            any depth.
        separator: one character between the fields of a line of CSV, such as `;` or a tabulator.
    """

    path: str
    format: Literal["csv", "json", "parquet"] = "csv"
    separator: str = Field(default=COMMA, pattern=r'^[^"\r\n]$')

    @field_validator("path")
    @classmethod
    def _is_pattern(cls, path: str) -> str:
        if not PurePath(path).name:
            raise ValueError(f"expected a file, or a pattern such as 'orders/*.csv', found {path!r}")
        if any("**" in part and part != "**" for part in PurePath(path).parts):
            raise ValueError(f"expected `**` to stand for whole folders, as in 'orders/**/*.csv', found {path!r}")
        return path

    @model_validator(mode="after")
    def _separates_csv(self) -> "Files":
        if self.separator != COMMA and self.format != "csv":
            raise ValueError(f"expected `separator` only with `format: csv`, found it with {self.format}")
        return self


class DeltaTable(Section):
    """A Delta table of somebody else's, of which every version is read once.

    Attributes:
        path: its folder, below the environment's data folder, or a URL.
        mode: `incremental` adds the rows that were appended since the version read last; a table whose rows are also
            changed or deleted is read whole, by `full`, which adds the rows that are not in raw yet.
    """

    path: str
    mode: Literal["incremental", "full"] = "incremental"


class Jdbc(Section):
    """A table or query of a database.

    Attributes:
        url: `jdbc:...`; without secrets, which are read from the environment variables named below.
        table, query: what is read; one of them.
        ascending: a column that grows with every row, such as a serial number: only rows above the greatest value that
            was read are read next time. Without one the whole is read each time, and rows that are new are added.
        partitions: connections that read at the same time; more than one needs an ascending number, date or time.
        fetch: rows that are fetched in one round trip.
        user_from, password_from: names of environment variables.
        driver: class name, where the driver does not register itself.
    """

    url: str = Field(pattern=r"^jdbc:")
    table: str | None = None
    query: str | None = None
    ascending: str | None = None
    partitions: int = Field(default=1, ge=1, le=64)
    fetch: int = Field(default=10_000, ge=1)
    user_from: Variable | None = None
    password_from: Variable | None = None
    driver: str | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> "Jdbc":
        if (self.table is None) == (self.query is None):
            raise ValueError("expected `table` or `query`, one of them, found both or none")
        if self.partitions > 1 and self.ascending is None:
            raise ValueError("expected `ascending`: several connections share the rows by ranges of it, found none")
        if _SECRET.search(self.url):
            raise ValueError(
                "expected a url without user and password, found one with a secret; name the environment variables that "
                "hold them in `user_from` and `password_from`"
            )
        return self


class Ranges(Section):
    """The source's topic read by ingestion, up to where it ends now, beside or in place of the speed layer's raw writer.

    Attributes:
        most_records: records of one batch at most; what is more becomes further batches.
    """

    most_records: int = Field(default=1_000_000, ge=1)


class Repository(Section):
    """Any other place, read by a class of one's own.

    Attributes:
        strategy: dotted path of a class that is a `batch_layer.ingestion.strategy.Repository`.
        parameters: its keyword arguments.
    """

    strategy: str = Field(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)+$")
    parameters: dict[str, Any] = {}
