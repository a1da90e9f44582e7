"""CSV, one record a line: a header line first; fields may be quoted, but hold no line ends."""

import csv

from batch_layer.ingestion.strategy import FileFormat


class CsvLines(FileFormat):
    """Comma-separated values with a header, as RFC 4180 writes them.

    Example:
        >>> CsvLines().names('id,"unit price"')
        ['id', 'unit price']

    References:
        Shafranovich: Common Format and MIME Type for Comma-Separated Values. RFC 4180, 2005.
    """

    has_header = True

    def names(self, first_line: str) -> list[str]:
        """Return the names in the header line, in its order."""
        return next(csv.reader([first_line]), [])
