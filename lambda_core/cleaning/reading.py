"""Records as they came, read into a struct of texts: one field a declared column, and what is wrong with the record.

1. A record with a header is a line of CSV; one without is a JSON object. Both must be UTF-8.
2. Every declared column is picked by its name in the record; others are left alone.
3. An empty CSV field is the empty text; an absent JSON key, or null, is null. JSON numbers keep their value to the
   last digit (1.10 reads as 1.1), up to 38 digits; for that they are read as variants, since `from_json` rounds them.
4. A record that is no such line or object gives nulls, and a sentence in `broken`; so does every line of a file whose
   header names none of the declared columns, as one has that is read with the wrong separator.
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.config.origins import COMMA

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import Column, DataFrame

    from lambda_core.config.sources import Source

FIELDS = "_fields"
"""Struct of texts, one a declared column."""
BROKEN = "_broken"
"""Why the whole record cannot be read, as a sentence; null where it can."""
VALUE = "_value"
"""The record's bytes, as they came."""
POSITIONS = ("partition", "offset", "append_time_ms", "batch_id")
"""Where and when the record came; no expression may name them, since the same record has others in file and topic."""

_CORRUPT = "_corrupt"
_CSV_OPTIONS = {"mode": "PERMISSIVE", "columnNameOfCorruptRecord": _CORRUPT, "quote": '"', "escape": '"'}


def read_fields(source: Source, frame: DataFrame, headers: Sequence[str] = (), *, objects: bool = True) -> DataFrame:
    """Return the frame's positions with `_fields`, `_broken` and `_value` in place of the record.

    Args:
        source: the declaration whose columns are read.
        frame: one row a record: `value` (binary), `partition`, `offset`, `append_time_ms`; `batch_id` and columns that
            begin with an underscore pass through. `header` (null for JSON) only where there are `headers`.
        headers: every CSV header that the frame's rows have; none for a topic.
        objects: whether there may be rows without a header; where there are none, no plan for JSON is made.
    """
    kept = [name for name in frame.columns if name.startswith("_") or name in POSITIONS]
    text = F.col("value").cast("string")
    # Parsed once a record: a variant, and every line, is a column of its own before fields are picked.
    parsed = []
    if objects:
        is_json = F.col("header").isNull() & _looks_like_object(text) if headers else _looks_like_object(text)
        parsed.append(F.when(is_json, _parsed(text)).alias("_json"))
    for place, header in enumerate(headers):
        options = {**_CSV_OPTIONS, "sep": source.separator}
        line = F.from_csv(text, F.lit(_ddl(header_names(header, source.separator))), options)
        parsed.append(F.when(F.col("header") == header, line).alias(f"_csv{place}"))
    carried = [F.col("value").alias(VALUE), *([F.col("header").alias("_header")] if headers else [])]
    read = frame.select(*kept, *carried, *parsed)
    fields, broken = _pick(source, headers, objects=objects), _broken(source, headers, objects=objects)
    return read.select(*kept, VALUE, fields.alias(FIELDS), broken.alias(BROKEN))


def header_names(header: str, separator: str = COMMA) -> list[str]:
    """Return the names in a CSV header.

    Example:
        >>> header_names('id,"a, b",c'), header_names("id;a", ";")
        (['id', 'a, b', 'c'], ['id', 'a'])
    """
    return next(csv.reader([header], delimiter=separator), [])


def _record_names(source: Source) -> dict[str, str]:
    return {name: column.field or name for name, column in source.columns.items()}


def _parsed(text: Column) -> Column:
    """Return a variant `{"record": <the object>}`; null where the text is not one whole JSON object.

    Spark's parsers stop at the end of the first value and look at nothing behind it. What follows an object can be
    neither part of a list around it nor of an object around it, both at once: so it is read in both. Where the text's only
    closing brace is its last character, nothing is behind: whatever ends the object is that brace.
    """
    last = F.instr(text, "}") == F.length(F.rtrim(text))
    alone = last | (F.json_array_length(F.concat(F.lit("["), text, F.lit("]"))) == 1)
    return F.when(alone, F.try_parse_json(F.concat(F.lit('{"record":'), text, F.lit("}"))))


def _path(field: str) -> str:
    """Return the JSON path of a field of the record."""
    return f'$.record["{field}"]' if "'" in field else f"$.record['{field}']"


def _ddl(names: Sequence[str]) -> str:
    """Return the schema of a line: fields by place, since a header's names may be anything, even twice the same."""
    return ", ".join([*(f"c{place} string" for place in range(len(names))), f"{_CORRUPT} string"])


def _looks_like_object(text: Column) -> Column:
    return F.ltrim(text).startswith("{")


def _pick(source: Source, headers: Sequence[str], *, objects: bool) -> Column:
    """Return the struct of the record's texts: those of the line by its header, or those of the object."""
    names = _record_names(source)
    found = [
        F.when(F.col("_header") == header, _cells(names, place, header_names(header, source.separator)))
        for place, header in enumerate(headers)
    ]
    if objects:
        texts = (F.try_variant_get(F.col("_json"), _path(field), "string").alias(name) for name, field in names.items())
        found.append(F.struct(*texts))
    return F.coalesce(*found)


def _cells(names: Mapping[str, str], place: int, header: Sequence[str]) -> Column:
    """Return the struct of a line's texts; null for a column that its header lacks."""
    cells = (
        F.coalesce(F.col(f"_csv{place}.c{header.index(field)}"), F.lit("")) if field in header else F.lit(None)
        for field in names.values()
    )
    return F.struct(*(cell.cast("string").alias(name) for name, cell in zip(names, cells, strict=True)))


def _broken(source: Source, headers: Sequence[str], *, objects: bool) -> Column:
    text, known = F.col(VALUE).cast("string"), set(_record_names(source).values())
    reasons = []
    if objects:
        no_object = F.when(F.col("_json").isNull(), _sentence("a JSON object", text))
        reasons.append(F.when(F.col("_header").isNull(), no_object) if headers else no_object)
    for place, header in enumerate(headers):
        own, names = F.col("_header") == header, header_names(header, source.separator)
        if known.isdisjoint(names):
            reasons.append(F.when(own, _sentence(f"one of {', '.join(sorted(known))} in the header", F.lit(header))))
        expected = f"a line of CSV with the {len(names)} fields of its header"
        bad_line = own & F.col(f"_csv{place}.{_CORRUPT}").isNotNull()
        if names:
            bad_line |= own & _is_left_open(text, F.col(f"_csv{place}.c{len(names) - 1}"), source.separator)
        reasons.append(F.when(bad_line, _sentence(expected, text)))
    missing = F.when(F.col(VALUE).isNull(), F.lit("record: expected a value, found none"))
    garbled = F.when(~F.is_valid_utf8(text), F.lit("record: expected UTF-8 text, found other bytes"))
    return F.coalesce(missing, garbled, *reasons)


def _is_left_open(line: Column, last: Column, separator: str) -> Column:
    """Tell whether the line ends within quotes, which Spark's parser takes for their end: the field goes on in another.

    The value of the last field is then all that stands behind the opening quote, or that quote where nothing does.
    """
    opened = F.concat(F.lit('"'), F.replace(last, F.lit('"'), F.lit('""')))
    return _is_last(line, opened, separator) | ((last == '"') & _is_last(line, F.lit('"'), separator))


def _is_last(line: Column, text: Column, separator: str) -> Column:
    return (line == text) | line.endswith(F.concat(F.lit(separator), text))


def _sentence(expected: str, text: Column) -> Column:
    return F.concat(F.lit(f"record: expected {expected}, found '"), F.left(text, F.lit(100)), F.lit("'"))
