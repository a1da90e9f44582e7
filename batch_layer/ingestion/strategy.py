"""What ingestion asks of a place that records come from, and of a text format."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from contextlib import AbstractContextManager

    from pyspark.sql import DataFrame, SparkSession

    from batch_layer.ingestion.lines import Lines


@dataclass(frozen=True)
class Batch:
    """Records that become one commit of a raw table, or none where the table has them already.

    Attributes:
        content: names what the records are, by at least 16 hexadecimal digits: the same content is the same batch,
            whoever brings it, and how often (`lambda_core.schemas.ids.content_id` makes one).
        place: where they lie, as people would say it.
        fingerprint: names the shape of the records; equal for records of the same fields.
        records: reads them: one row a record with `value` (its bytes), and either `number` (from 0, the same whenever
            it is read) or no other column, then they are numbered as they come. Called once, and only if needed.
            Or the lines of a file, which are never `whole`.
        cursor: how far the place is read with this batch, in a repository's own words; it is given back by `since`.
        format: `csv` or `json`. header: the names in a CSV file's first line.
        reading: is entered while `records` are read, which they are after the repository returned the batch: what Spark
            raises then becomes a sentence there. Not for lines.
        whole: these are all records of the place, of which raw may have some by other batches: only the others are added.
    """

    content: str
    place: str
    fingerprint: str
    records: Callable[[], DataFrame] | Lines
    cursor: str | None = None
    format: str = "json"
    header: str | None = None
    whole: bool = False
    reading: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Request:
    """What a repository is asked for.

    Attributes:
        source: the name of the source, for sentences.
        folder: the environment's data folder, absolute.
        since: tells the cursor of the last batch that raw has of a place; None where it has none.
        full: all records of the place are wanted, and not only what is new.
    """

    spark: SparkSession
    source: str
    folder: str
    since: Callable[[str], str | None]
    full: bool = False


class Repository(Protocol):
    """A place that records come from. It is asked under the source's lock, by one process at a time."""

    def batches(self, request: Request) -> Iterable[Batch]:
        """Return what is there, oldest first; of what raw has already as much as is easy, since it is left out by id.

        Each batch is in raw before the next one is asked for, save that several of `Lines` may be asked for together.

        Raises:
            DataError: when the place does not hold what was promised. ServerError: when it does not answer.
        """
        ...


class FileFormat(Protocol):
    """A text format of one record a line."""

    has_header: bool
    """Whether the first line names the fields and is no record."""

    def names(self, first_line: str) -> list[str]:
        """Return the names of the fields, as the file's first line tells them; empty where it tells none."""
        ...
