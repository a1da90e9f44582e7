"""One canonical text for an entity, the same in Python and in Spark SQL.

The values of an entity's key columns are escaped and joined by `|`. Escaped are `%` itself, the joiner, the braces
(a value that begins with `}` would empty a Redis hash tag) and the colon that parts Redis keys. A null in any key column means that the record has no such entity.
"""

from collections.abc import Sequence

KEY_ENCODING = 1
"""Version of the encoding; part of every definition id."""

JOINER = "|"
_ESCAPED = ("%", JOINER, "{", "}", ":")
"""The reserved characters; `%` first, since the others' escapes contain it."""


def escape(value: str) -> str:
    """Return the text with every reserved character as `%` and two hexadecimal digits.

    Example:
        >>> escape("a|b"), escape("}x"), escape("50%")
        ('a%7Cb', '%7Dx', '50%25')
    """
    for character in _ESCAPED:
        value = value.replace(character, f"%{ord(character):02X}")
    return value


def unescape(text: str) -> str:
    """Return the value that `escape` was given."""
    for character in reversed(_ESCAPED):
        text = text.replace(f"%{ord(character):02X}", character)
    return text


def entity_key(values: Sequence[str | int | None]) -> str | None:
    """Return the canonical key of an entity, or None when any of its values is missing.

    Example:
        >>> entity_key(["JFK", "LAX"]), entity_key(["a|b", "c"]), entity_key(["a", None])
        ('JFK|LAX', 'a%7Cb|c', None)
    """
    if any(value is None for value in values):
        return None
    return JOINER.join(escape(str(value)) for value in values)


def entity_key_sql(columns: Sequence[str]) -> str:
    """Return the Spark SQL expression of the canonical key; null when any column is null."""
    return f" || '{JOINER}' || ".join(_escape_sql(column) for column in columns)


def unique_key_sql(unique: Sequence[str], entities: Sequence[Sequence[str]]) -> str:
    """Return the Spark SQL expression of what makes two records the same event; null when a column of the key is null.

    Records that say to be the same and are of other entities are not: what one counts for an entity, the other could not
    count for another one. So the keys of the record's entities stand behind its own, `%` where it has no such entity.

    Args:
        unique: the columns of the source's unique key.
        entities: the key columns of each entity that its events are counted for.
    """
    own = (f"coalesce({entity_key_sql(columns)}, '%')" for columns in entities)
    return f" || '{JOINER}' || ".join([entity_key_sql(unique), *own])


def _escape_sql(column: str) -> str:
    expression = f"cast(`{column}` as string)"
    for character in _ESCAPED:
        expression = f"replace({expression}, '{character}', '%{ord(character):02X}')"
    return expression
