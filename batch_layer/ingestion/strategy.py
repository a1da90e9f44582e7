"""What ingestion asks of a file format: is there a header line, and what names the shape of the records."""

from typing import Protocol


class FileFormat(Protocol):
    """A text format of one record a line."""

    has_header: bool
    """Whether the first line names the fields and is no record."""

    def names(self, first_line: str) -> list[str]:
        """Return the names of the fields, as the file's first line tells them; empty where it tells none."""
        ...
