"""What of a source's condition is a finding: the thresholds by which a batch is compared with those before it."""

from typing import Literal

from pydantic import Field

from lambda_core.config.section import Milliseconds, Name, Section

Check = Literal[
    "fields",
    "rows",
    "refused",
    "repeated",
    "missing",
    "unreadable",
    "categories",
    "formats",
    "outliers",
    "mean",
    "distribution",
    "newest",
]
"""What is looked at; `ConditionSection` has the threshold of each."""


class ConditionSection(Section):
    """What may differ between a batch and those before it until it is a finding. No row is ever removed by it.

    A batch is a file's records, or what a topic appended on one day (UTC). Measures that vary from batch to batch anyway
    (`missing` to `distribution`) are findings only beyond `usual` times what earlier batches showed among themselves.

    Attributes:
        history: how many earlier batches, the newest ones, a batch is compared with.
        least_history: with fewer earlier batches than this, what they show is no rule yet: nothing is compared.
        least_rows: a batch with fewer records is compared by its row count and its fields alone; nor is it compared with.
        usual: how many times the greatest difference among earlier batches is still nothing new.
        ignore: columns that are not compared, such as a calendar's.
        fail: checks whose findings stop the preparation before it writes anything; those of all others are told.
        accept: batches that were looked at and are as they should be: their findings are told, and stop nothing.
        rows: how far the row count may lie outside of those of earlier batches, as a share of them.
        refused: by how much the share of quarantined records may grow.
        repeated: share of a batch's unique keys that one earlier batch may hold too (0 to 1).
        missing: by how much a column's share of missing values may change.
        unreadable: by how much a column's share of values of another type, or out of bounds, may grow.
        categories: share of a text column's values that no earlier batch has.
        formats: share of a text column's values written in a form that no earlier batch has.
        outliers: share of a number's values that lie beyond all earlier ones by more than their whole range.
        mean: by how much a number's mean may move, in standard deviations of all earlier values.
        distribution: Jensen-Shannon divergence of the values' distribution from that of earlier batches, in bits (0 to 1).
        newest: how old the newest record may be when the source is prepared; None: of any age.
    """

    history: int = Field(default=30, ge=1, le=400)
    least_history: int = Field(default=5, ge=1)
    least_rows: int = Field(default=50, ge=1)
    usual: float = Field(default=1.5, ge=1)
    ignore: tuple[Name, ...] = ()
    fail: tuple[Check, ...] = ()
    accept: tuple[str, ...] = ()
    rows: float = Field(default=0.5, ge=0)
    refused: float = Field(default=0.02, ge=0, le=1)
    repeated: float = Field(default=0.2, ge=0, le=1)
    missing: float = Field(default=0.05, ge=0, le=1)
    unreadable: float = Field(default=0.01, ge=0, le=1)
    categories: float = Field(default=0.02, ge=0, le=1)
    formats: float = Field(default=0.02, ge=0, le=1)
    outliers: float = Field(default=0.01, ge=0, le=1)
    mean: float = Field(default=0.5, ge=0)
    distribution: float = Field(default=0.1, ge=0, le=1)
    newest_ms: Milliseconds | None = Field(default=None, alias="newest")
