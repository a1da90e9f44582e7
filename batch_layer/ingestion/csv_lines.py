"""CSV, one record a line: a header line first; fields may be quoted, but hold no line ends."""

import csv

from batch_layer.ingestion.strategy import FileFormat
from lambda_core.config.origins import COMMA


class CsvLines(FileFormat):
    """Values with a header, as RFC 4180 writes them, with a comma between them or another character.

    Example:
        >>> CsvLines().names('id,"unit price"'), CsvLines(";").names("id;unit price")
        (['id', 'unit price'], ['id', 'unit price'])

    References:
        Shafranovich: Common Format and MIME Type for Comma-Separated Values. RFC 4180, 2005.
    """

    has_header = True

    def __init__(self, separator: str = COMMA) -> None:
        self._separator = separator

    def names(self, first_line: str) -> list[str]:
        """Return the names in the header line, in its order."""
        return next(csv.reader([first_line], delimiter=self._separator), [])
