"""What is wrong with the fields of a batch's CSV files: declared ones have to be there, others may not change. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.cleaning.reading import header_names
from lambda_core.nearest import nearest_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_core.config.sources import Source


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
        said = ", ".join(f"`{columns}.{name}.field: {field}`" for name, field in self.misnamed.items())
        return f"where it is the same under another name, declare {said}; else ask the producer what changed"


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
    fields = _names(source, headers)
    declared = {name: column.field or name for name, column in source.columns.items()}
    known = _names(source, before) if before else fields
    lacking, new = ({*declared.values()} | known) - fields, fields - known
    if not lacking and not new:
        return None
    untaken = sorted(fields - {*declared.values()})
    near = {name: nearest_of(field, untaken) for name, field in declared.items() if field in lacking}
    misnamed = {name: field for name, field in near.items() if field is not None}
    seen_in = tuple(dict.fromkeys(files[header] for header in headers if header in files))
    return FieldChanges(tuple(sorted(lacking)), tuple(sorted(new)), misnamed, seen_in)


def _names(source: Source, headers: Sequence[str]) -> set[str]:
    return {name for header in headers for name in header_names(header, source.separator)}
