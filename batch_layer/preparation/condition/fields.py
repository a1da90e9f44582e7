"""What is wrong with the fields of a batch: declared ones have to be there. Pure.

The headers of CSV files tell which fields there are, and may not change otherwise. Of other records, which are JSON objects,
the values tell: where a field is not there, or is called otherwise, its column has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batch_layer.preparation.condition import comparing as c
from batch_layer.preparation.condition.measuring import distinct_of
from lambda_core.cleaning.reading import header_names
from lambda_core.nearest import nearest_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from batch_layer.preparation.condition.profile import ColumnProfile, Profile
    from lambda_core.config.sources import Column, Source


@dataclass(frozen=True)
class FieldChanges:
    """How the fields of a batch differ from what is declared, and from those of the batch before it.

    Attributes:
        lacking: declared fields, and those of the batch before, that no header of the batch has.
        new: fields that the batch before had not; none where there was no batch before.
        misnamed: column whose field is lacking -> the field that is there, no column takes, and has a name near to it.
        files: in which it is seen, one for each header.
    """

    lacking: tuple[str, ...]
    new: tuple[str, ...]
    misnamed: Mapping[str, str]
    files: tuple[str, ...] = ()

    @property
    def found(self) -> str:
        """Return what there is in place of what was expected."""
        changes = [*(f"no field {name!r}" for name in self.lacking), *(f"a new field {name!r}" for name in self.new)]
        near = [f"a field {field!r} that no column takes and {name!r} may be" for name, field in self.misnamed.items()]
        return ", ".join([*changes, *near]) + (f", as in {', '.join(self.files)}" if self.files else "")

    def remedy(self, source: str) -> str:
        """Return what to do about it."""
        columns = f"sources.{source}.columns"
        if not self.misnamed:
            return f"ask the producer what changed, then correct {columns} (`field` gives one another name)"
        return _declare(source, self.misnamed)


def field_changes(
    source: Source, headers: Sequence[str], before: Sequence[str], files: Mapping[str, str]
) -> FieldChanges | None:
    """Return how the fields of a batch differ; None where they do not.

    Args:
        source: whose columns and separator these are.
        headers: those of the batch's files.
        before: those of the last batch before it that had some.
        files: header -> a file that begins with it.
    """
    fields, declared = _names(source, headers), _declared(source)
    known = _names(source, before) if before else fields
    lacking, new = ({*declared.values()} | known) - fields, fields - known
    if not lacking and not new:
        return None
    misnamed = _misnamed(declared, [name for name, field in declared.items() if field in lacking], fields)
    seen_in = tuple(dict.fromkeys(files[header] for header in headers if header in files))
    return FieldChanges(tuple(sorted(lacking)), tuple(sorted(new)), misnamed, seen_in)


@dataclass(frozen=True)
class AbsentField:
    """A declared field that the JSON objects of a batch have not.

    Attributes:
        records: how many there are.
        near: the field that is there, no column takes, and has a name near to it; None for none.
    """

    column: str
    field: str
    records: int
    near: str | None

    @property
    def found(self) -> str:
        """Return what there is in place of what was expected."""
        other = f", and a field {self.near!r} that no column takes" if self.near else ""
        return f"it in none of {self.records:,}{other}"

    def remedy(self, source: str) -> str:
        """Return what to do about it."""
        if self.near is None:
            return (
                f"ask the producer what changed, then correct sources.{source}.columns.{self.column}; where records may "
                f"lack it, add it to sources.{source}.condition.ignore"
            )
        return _declare(source, {self.column: self.near})


def columns_that_emptied(source: Source, own: Profile, past: Sequence[Profile]) -> list[str]:
    """Return the declared columns that no record of a batch gives a value, where that is news.

    It is in the first batch of all, and in one that follows a batch with values. It is none where the batch before had no value
    either, which was told then, nor where values are so rare that a batch without any is chance.
    """
    return [
        name
        for name, column in own.columns.items()
        if name in source.columns
        and name not in source.condition.ignore
        and has_no_value(source.columns[name], column)
        and _had_values(source.columns[name], column, [one.columns[name] for one in past if name in one.columns])
    ]


def absent_fields(source: Source, own: Profile, emptied: Iterable[str], keys: Iterable[str]) -> list[AbsentField]:
    """Return which of a batch's empty columns have a field that is not there.

    Few records may lack it by chance: of fewer than `least_rows` it is told only where another field has a name near to it.

    Args:
        source: whose columns these are.
        own: the batch's profile.
        emptied: the columns without a value.
        keys: those of the batch's objects, or of some of them.
    """
    declared, fields = _declared(source), {*keys}
    absent = [name for name in emptied if declared[name] not in fields]
    near = _misnamed(declared, absent, fields)
    many = own.rows >= source.condition.least_rows
    return [AbsentField(name, declared[name], own.rows, near.get(name)) for name in absent if many or name in near]


def has_no_value(declared: Column, column: ColumnProfile) -> bool:
    """Tell whether no record gives a column a value: none has one, or all have what may be its `fill`."""
    filled = declared.fill is not None and column.repaired == column.rows and distinct_of(column.distinct) == 1
    return bool(column.rows) and (filled or column.missing == column.rows)


def _had_values(declared: Column, own: ColumnProfile, earlier: Sequence[ColumnProfile]) -> bool:
    """Tell whether values are to be expected: the last batch had some, and not by chance; or there was none before."""
    looked_at = [one for one in earlier if one.rows]
    if not looked_at:
        return True
    usual = c.missing_share(c.merged(looked_at))
    return not has_no_value(declared, looked_at[-1]) and 1 - usual > c.by_chance(usual, own.rows)


def _declare(source: str, misnamed: Mapping[str, str]) -> str:
    """Return what to do about columns whose field may be another one: column -> that field."""
    said = ", ".join(f"`sources.{source}.columns.{name}.field: {field}`" for name, field in misnamed.items())
    return f"where it is the same under another name, declare {said}; else ask the producer what changed"


def _declared(source: Source) -> dict[str, str]:
    """Return column -> what the records call it."""
    return {name: column.field or name for name, column in source.columns.items()}


def _misnamed(declared: Mapping[str, str], lacking: Iterable[str], fields: set[str]) -> dict[str, str]:
    """Return column that lacks -> the field that no column takes and has a name near to it, where there is one."""
    untaken = sorted(fields - {*declared.values()})
    near = {name: nearest_of(declared[name], untaken) for name in lacking}
    return {name: field for name, field in near.items() if field is not None}


def _names(source: Source, headers: Iterable[str]) -> set[str]:
    return {name for header in headers for name in header_names(header, source.separator)}
