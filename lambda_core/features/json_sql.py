"""JSON in Spark SQL, put together from texts: what `to_json` writes, compiled, and without a struct in between."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

_ESCAPED = r"""'["\\\\\\x00-\\x1f\\x7f]'"""
"""What JSON escapes (and what it need not), as a pattern in Spark SQL."""


def text_json(text: str) -> str:
    """Return the Spark SQL of a text as JSON; null where it is null.

    Most texts need no escapes, and stand between quotation marks as they are.

    Args:
        text: a column: it is looked at three times.
    """
    plain = f"is_valid_utf8({text}) and not ({text} rlike {_ESCAPED})"
    told = f"to_json(named_struct('a', {text}))"
    escaped = f"substring({told}, 6, length({told}) - 6)"
    return f"case when {plain} then concat('\"', {text}, '\"') when {text} is not null then {escaped} end"


def digits_json(texts: Iterable[str]) -> str:
    """Return the Spark SQL of an array of texts that need no escapes, such as those of numbers; none of them null."""
    return "concat('[\"', " + ", '\",\"', ".join(texts) + ", '\"]')"
