"""The chain of ids: batch id, table version, feature-set id, split id, run, model version, prediction id, outcome.

What is worked out in Python and in Spark SQL has both renderings here, side by side; a contract test holds them to the
same text.
"""

import hashlib

FILE = "file"
"""Where a record came from that no topic holds: its partition is below zero."""


def prediction_id(topic: str | None, partition: int | None, offset: int | None) -> str | None:
    """Return the id of the prediction that the event at this source position asks for.

    Args:
        topic: the source's topic; None where it has files alone.
        partition: of the topic; below zero for a file's record.
        offset: place in the partition, or the running number of a file's record.

    Returns:
        `<topic>/<partition>/<offset>`, with `file` in place of the topic for a file's record; None where a part of the
        position is missing.

    Example:
        >>> prediction_id("shop.orders", 1, 42), prediction_id("shop.orders", -1, 7)
        ('shop.orders/1/42', 'file/-1/7')
    """
    if partition is None or offset is None:
        return None
    origin = FILE if partition < 0 else topic
    return None if origin is None else f"{origin}/{partition}/{offset}"


def prediction_id_sql(topic: str | None) -> str:
    """Return the Spark SQL of `prediction_id` over a row's columns `partition` and `offset`."""
    named = "null" if topic is None else _literal(topic)
    return f"concat(case when `partition` < 0 then '{FILE}' else {named} end, '/', `partition`, '/', `offset`)"


def batch_id(source: str, content_sha256: str) -> str:
    """Return the id of a batch of files: the same content of the same source is the same batch.

    Example:
        >>> batch_id("orders", "ab" * 32)
        'orders-abababababababab'
    """
    return f"{source}-{content_sha256[:16]}"


def content_id(*parts: object) -> str:
    """Return 16 hexadecimal digits that name the texts of these parts, each as a whole, in this order.

    Every text is hashed behind its length in bytes, so that no two lists of texts are one to the hash, whatever
    characters they hold. A lone surrogate, which no UTF-8 can hold, counts as `?`, as it does in Spark.
    """
    texts = [str(part).encode(errors="replace") for part in parts]
    return hashlib.sha256(b"".join(b"%d:%b" % (len(text), text) for text in texts)).hexdigest()[:16]


def content_id_sql(parts: str) -> str:
    """Return the Spark SQL of `content_id`.

    Args:
        parts: Spark SQL of an array of texts; none of them null.
    """
    texts = f"transform({parts}, part -> concat(octet_length(part), ':', part))"
    return f"left(sha2(array_join({texts}, ''), 256), 16)"


def _literal(text: str) -> str:
    """Return the text as a literal of Spark SQL; a dollar sign is written so that `${...}` stays what it is."""
    for character, escaped in (("\\", "\\\\"), ("'", "\\'"), ("$", "\\u0024")):
        text = text.replace(character, escaped)
    return f"'{text}'"
