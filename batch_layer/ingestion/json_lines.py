"""JSON, one object a line."""

import json

from batch_layer.ingestion.strategy import FileFormat


class JsonLines(FileFormat):
    """One JSON object a line, in UTF-8.

    Example:
        >>> JsonLines().names('{"price": 1.5, "id": 7}')
        ['id', 'price']

    References:
        Bray: The JavaScript Object Notation (JSON) Data Interchange Format. RFC 8259, 2017.
    """

    has_header = False

    def names(self, first_line: str) -> list[str]:
        """Return the keys of the first object, sorted, since their order means nothing; none where it is no object."""
        try:
            record = json.loads(first_line)
        except ValueError:
            return []
        return sorted(record) if isinstance(record, dict) else []
