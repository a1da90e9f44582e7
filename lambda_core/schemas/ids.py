"""The chain of ids: batch id, table version, feature-set id, split id, run, model version, prediction id, outcome."""

import hashlib


def prediction_id(topic: str, partition: int, offset: int) -> str:
    """Return the id of the prediction that the event at this source position asks for.

    Example:
        >>> prediction_id("shop.orders", 1, 42)
        'shop.orders/1/42'
    """
    return f"{topic}/{partition}/{offset}"


def batch_id(source: str, content_sha256: str) -> str:
    """Return the id of a batch of files: the same content of the same source is the same batch.

    Example:
        >>> batch_id("orders", "ab" * 32)
        'orders-abababababababab'
    """
    return f"{source}-{content_sha256[:16]}"


def content_id(*parts: object) -> str:
    """Return 16 hexadecimal digits that name these parts in this order."""
    text = "\x1f".join(str(part) for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
