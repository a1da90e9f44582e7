"""The components of states: their texts, their exact addition, and their rendering in Spark SQL."""

import math
from typing import Any

OVERFLOW = "!"
"""The component of a state that left its range: it absorbs whatever is merged with it."""
_LIMIT = 10**38


def add_exact(left: int | str, right: int | str) -> int | str:
    """Return the sum of two integer components; the error state beyond 38 digits, and when either is it.

    Example:
        >>> add_exact(2**62, 2**62), add_exact(10**38 - 1, 1), add_exact("!", -1)
        (9223372036854775808, '!', '!')
    """
    if isinstance(left, str) or isinstance(right, str):
        return OVERFLOW
    total = left + right
    return total if abs(total) < _LIMIT else OVERFLOW


def encode_component(code: str, part: Any) -> str:
    """Return one component as text: integers in full, floats with 17 digits (-0 as 0), text as it is.

    Example:
        >>> encode_component("i", 2**70), encode_component("f", -0.0), encode_component("f", 0.1)
        ('1180591620717411303424', '0', '0.10000000000000001')
    """
    if code == "f":
        return "%.17g" % (part + 0.0) if math.isfinite(part) else OVERFLOW
    return str(part)


def decode_component(code: str, text: str) -> Any:
    """Return the component that `encode_component` was given; a float that overflowed as infinity."""
    if code == "i":
        return OVERFLOW if text == OVERFLOW else int(text)
    if code == "s":
        return text
    return math.inf if text == OVERFLOW else float(text)


def text_sql(code: str, expression: str) -> str:
    """Return the Spark SQL of a component as text; a double that is not finite is the error state."""
    if code == "f":
        finite = f"abs({expression}) < double('Infinity')"
        return (
            f"case when {finite} then cast({expression} as string) when {expression} is not null then '{OVERFLOW}' end"
        )
    return f"cast({expression} as string)"


def or_overflow_sql(expression: str, seen: str) -> str:
    """Return the Spark SQL of an exact component as text: the error state where Spark's 38 digits did not hold it."""
    return f"case when {seen} then coalesce(cast({expression} as string), '{OVERFLOW}') end"
