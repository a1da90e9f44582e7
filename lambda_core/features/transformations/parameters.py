"""Checks of the parameters that the strategies share. Each error names the parameter, what is expected, what was found."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.features.transformations.strategy import Kind


_GREATEST = sys.float_info.max


def number(name: str, value: Any) -> int | float:
    """Return a parameter that is a finite number, as it was given: whole or not.

    Raises:
        ConfigError: when it is none.

    Example:
        >>> number("low", 0)
        0
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _GREATEST:
        raise ConfigError(f"parameters.{name}: expected a number, found {value!r}")
    return value


def ascending(name: str, value: Any) -> list[float]:
    """Return a parameter that is a list of numbers, each above the one before.

    Raises:
        ConfigError: when it is none, or has no number.
    """
    found = [
        float(number(f"{name}[{place}]", one)) for place, one in enumerate(value if isinstance(value, list) else [])
    ]
    if not found or sorted(set(found)) != found:
        raise ConfigError(f"parameters.{name}: expected a list of ascending numbers, found {value!r}")
    return found


def fits(kinds: Sequence[Kind], **parameters: float | None) -> None:
    """Refuse parameters that would make a number of an integer's column that is none.

    Raises:
        ConfigError: naming the first one that is no whole number of 64 bits.
    """
    for name, value in parameters.items():
        whole = value is None or (isinstance(value, int) and -(2**63) <= value < 2**63)
        if "integer" in kinds and not whole:
            raise ConfigError(
                f"parameters.{name}: expected a whole number of 64 bits, as its value is, found {value!r}"
            )
