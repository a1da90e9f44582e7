"""The one place that reads the wall clock. Everything else is given a `Clock`."""

import time
from typing import Protocol


class Clock(Protocol):
    """A source of the present moment."""

    def now_ms(self) -> int:
        """Return the present moment in milliseconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now_ms(self) -> int:
        """Return the machine's time in milliseconds since 1970-01-01 UTC."""
        return time.time_ns() // 1_000_000


class FixedClock:
    """A clock that stands still until it is advanced; for tests and simulations.

    Example:
        >>> clock = FixedClock(1_000)
        >>> clock.advance(250)
        >>> clock.now_ms()
        1250
    """

    def __init__(self, now_ms: int) -> None:
        self._now_ms = now_ms

    def now_ms(self) -> int:
        """Return the moment the clock stands at, in milliseconds since 1970-01-01 UTC."""
        return self._now_ms

    def advance(self, milliseconds: int) -> None:
        """Move the clock on (or, when negative, back)."""
        self._now_ms += milliseconds
