"""From a table of cleaned records to profiles, one a batch: vectors of numpy and Arrow, no Spark. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from batch_layer.preparation.condition.profile import (
    GREATEST,
    MANY,
    PER_OCTAVE,
    SHIFT,
    ColumnProfile,
    Moments,
    Profile,
    few,
)
from lambda_core.features.aggregations import Distinct

if TYPE_CHECKING:
    from collections.abc import Sequence

    Array = np.ndarray

KEY_PRECISION, VALUE_PRECISION = 12, 10
"""Two to their power is the number of registers: standard errors of 1.6 % for unique keys, 3.3 % for a column's values."""
BATCH, USABLE, COUNTED, KEY, SHAPE = "_batch", "_usable", "_counted", "_key", "_shape"
REASONS, REPAIRED, APPENDED, HAPPENED = "_reasons", "_repaired", "_appended", "_happened"
_HASH_BITS, _ZERO = 48, 48
_HOUR_MS, _DAY_HOURS = 3_600_000, 24
_WHOLE_RECORD = "record: "

Kind = Literal["number", "text", "time"]


@dataclass(frozen=True)
class Measured:
    """A column as it is measured.

    Attributes:
        kind: numbers come as doubles, texts as texts, times as milliseconds.
        unreadable: how a reason begins that says the value is of another type.
    """

    name: str
    kind: Kind
    unreadable: str

    @property
    def refused(self) -> str:
        """Return how any reason about the column begins."""
        return f"{self.name}: expected "


def measure(table: pa.Table, columns: Sequence[Measured], headers: Sequence[str] = ()) -> dict[str, Profile]:
    """Return the profile of each batch that the table has records of.

    Args:
        table: one row a record: `_batch`, `_usable`, `_counted`, `_key` (64-bit hash of the unique key), `_shape` (place among
            the headers), `_reasons` and `_repaired` (lists of texts, null for none), `_appended` and `_happened`
            (milliseconds), and the columns, named `c0`, `c1`, ... in their order.
        columns: what they are.
        headers: of CSV files.
    """
    batches = table.column(BATCH).unique().to_pylist()
    if len(batches) == 1:
        return {batches[0]: _profile(table, columns, headers)}
    return {
        batch: _profile(table.filter(pc.equal(table.column(BATCH), batch)), columns, headers)
        for batch in sorted(batches)
    }


def distinct_of(registers: str) -> int:
    """Return about how many different values left these registers; 0 for none.

    Example:
        >>> distinct_of(registers_of(np.array([1, 2, 3, 2], dtype="uint64") << np.uint64(61), 10))
        3
    """
    if not registers:
        return 0
    counting = Distinct(precision=len(registers).bit_length() - 1)
    return counting.estimate([registers.count(chr(_ZERO + rank)) for rank in range(counting.ranks)])


def registers_of(hashes: Array, precision: int) -> str:
    """Return the HyperLogLog registers of 64-bit hashes, a character each; empty for none."""
    if not len(hashes):
        return ""
    hashed, rest_bits = hashes >> np.uint64(64 - _HASH_BITS), _HASH_BITS - precision
    rest = hashed & np.uint64((1 << rest_bits) - 1)
    ranks = rest_bits + 1 - np.frexp(rest.astype("float64"))[1]
    registers = np.zeros(1 << precision, dtype="uint8")
    np.maximum.at(registers, (hashed >> np.uint64(rest_bits)).astype("int64"), ranks.astype("uint8"))
    return bytes(registers + np.uint8(_ZERO)).decode()


def _profile(table: pa.Table, columns: Sequence[Measured], headers: Sequence[str]) -> Profile:
    read = _read(table)
    reasons = [one for said in read.column(REASONS).drop_null().to_pylist() for one in said]
    repaired = [name for names in read.column(REPAIRED).drop_null().to_pylist() for name in names]
    shapes = table.column(SHAPE).drop_null().unique().to_pylist()
    return Profile(
        rows=table.num_rows,
        accepted=_sum(table, COUNTED),
        quarantined=table.num_rows - _sum(table, USABLE),
        **_ends(table, APPENDED, ("first_ms", "last_ms")),
        **_ends(table, HAPPENED, ("begin_ms", "end_ms")),
        headers=tuple(sorted(headers[place] for place in shapes)),
        keys=registers_of(table.column(KEY).drop_null().to_numpy().view("uint64"), KEY_PRECISION),
        columns={
            column.name: _column(read.column(f"c{place}"), column, reasons, repaired.count(column.name))
            for place, column in enumerate(columns)
        },
    )


def _read(table: pa.Table) -> pa.Table:
    """Return the records that could be read at all: of others, fields are left over that mean nothing."""
    said = table.column(REASONS).to_pylist()
    kept = [not any(one.startswith(_WHOLE_RECORD) for one in reasons or ()) for reasons in said]
    return table if all(kept) else table.filter(pa.array(kept))


def _sum(table: pa.Table, name: str) -> int:
    return int(pc.sum(table.column(name)).as_py() or 0)


def _ends(table: pa.Table, name: str, ends: tuple[str, str]) -> dict[str, Any]:
    found = pc.min_max(table.column(name)).as_py()
    return {ends[0]: found["min"], ends[1]: found["max"]}


def _column(values: pa.ChunkedArray, column: Measured, reasons: Sequence[str], repaired: int) -> ColumnProfile:
    about = [one for one in reasons if one.startswith(column.refused)]
    unreadable = sum(one.startswith(column.unreadable) for one in about)
    present = values.drop_null()
    own = {"number": _numbers, "text": _texts, "time": _times}[column.kind](present) if len(present) else {}
    return ColumnProfile(
        rows=len(values),
        missing=len(values) - len(present) - unreadable,
        unreadable=unreadable,
        refused=len(about) - unreadable,
        repaired=repaired,
        **own,
    )


def _numbers(present: pa.ChunkedArray) -> dict[str, Any]:
    values = present.to_numpy().astype("float64")
    tame = np.clip(values, -GREATEST, GREATEST)
    mean = float(tame.mean())
    apart = tame - mean
    with np.errstate(divide="ignore"):
        powers = np.floor(np.log2(np.abs(values)) * PER_OCTAVE)
    places = np.where(values == 0, 0, np.sign(values) * (np.where(values == 0, 0, powers) + SHIFT)).astype("int64")
    buckets, counts = np.unique(places, return_counts=True)
    return {
        "least": float(values.min()),
        "greatest": float(values.max()),
        "moments": Moments(len(values), mean, float((apart**2).sum()), float((apart**3).sum())),
        "buckets": dict(zip(buckets.tolist(), counts.tolist(), strict=True)),
        "distinct": registers_of(pd.util.hash_array(np.unique(values)), VALUE_PRECISION),
    }


def _texts(present: pa.ChunkedArray) -> dict[str, Any]:
    counted = pc.value_counts(present.combine_chunks())
    words, counts = counted.field("values"), counted.field("counts")
    forms = pc.replace_substring_regex(words, pattern=r"\pL+", replacement="A")
    forms = pc.replace_substring_regex(forms, pattern=r"[0-9]+", replacement="9")
    hashes = pd.util.hash_array(words.to_numpy(zero_copy_only=False).astype(object), categorize=False)
    return {
        "texts": _counters(words, counts),
        "forms": _counters(forms, counts),
        "distinct": registers_of(hashes, VALUE_PRECISION),
    }


def _counters(words: pa.Array, counts: pa.Array) -> dict[str, int] | None:
    summed = pa.table({"word": words, "count": counts}).group_by("word").aggregate([("count", "sum")])
    if summed.num_rows > MANY:
        return None
    return few(dict(zip(summed.column("word").to_pylist(), summed.column("count_sum").to_pylist(), strict=True)))


def _times(present: pa.ChunkedArray) -> dict[str, Any]:
    values = present.to_numpy()
    hours, counts = np.unique(values // _HOUR_MS % _DAY_HOURS, return_counts=True)
    return {
        "buckets": dict(zip(hours.tolist(), counts.tolist(), strict=True)),
        "distinct": registers_of(pd.util.hash_array(np.unique(values)), VALUE_PRECISION),
    }
