"""Windows over event time: half-open, with a left edge on a hop and an exact right edge.

A window of length W asked for at t covers `[floor(t - W, hop), t)`. Times are milliseconds since 1970-01-01 UTC,
lengths are milliseconds. The hop follows from the length: 5 minutes below 12 hours, 1 hour below 12 days, 1 day from
there on, unless it is declared. The window of all of history is one whose left edge lies before whatever can happen.
"""

import re
from dataclasses import dataclass

SECOND_MS = 1_000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

ALL_MS = 2**50
"""The length of the window of all of history: 35,000 years, exact in 64 bits and in doubles."""

_UNITS = {
    "ms": 1,
    "millisecond": 1,
    "s": SECOND_MS,
    "second": SECOND_MS,
    "m": MINUTE_MS,
    "min": MINUTE_MS,
    "minute": MINUTE_MS,
    "h": HOUR_MS,
    "hour": HOUR_MS,
    "d": DAY_MS,
    "day": DAY_MS,
}
_DURATION = re.compile(r"\s*(\d+)\s*([a-z]+?)(s?)\s*")


def parse_duration(text: str) -> int:
    """Return a duration such as `5 minutes`, `2h` or `30d` in milliseconds.

    Raises:
        ValueError: when the text is no whole number followed by a unit from milliseconds to days.

    Example:
        >>> parse_duration("2h"), parse_duration("5 minutes"), parse_duration("250 ms")
        (7200000, 300000, 250)
    """
    match = _DURATION.fullmatch(text.lower())
    if match:
        number, unit, plural = match.groups()
        scale = _UNITS.get(unit + plural) or _UNITS.get(unit)
        if scale and int(number) > 0:
            return int(number) * scale
    raise ValueError(f"expected a duration like '5 minutes', '2h' or '30d', found {text!r}")


def parse_window(text: str) -> int:
    """Return a window's length in milliseconds: a duration, or `all`.

    Raises:
        ValueError: when the text is neither.

    Example:
        >>> parse_window("1h"), parse_window("all") == ALL_MS
        (3600000, True)
    """
    return ALL_MS if text.strip().lower() == "all" else parse_duration(text)


def format_window(length_ms: int) -> str:
    """Return the shortest text of a window's length: the inverse of `parse_window`.

    Example:
        >>> format_window(7_200_000), format_window(ALL_MS)
        ('2h', 'all')
    """
    return "all" if length_ms == ALL_MS else format_duration(length_ms)


def format_duration(milliseconds: int) -> str:
    """Return the shortest text of a duration: the inverse of `parse_duration`.

    Example:
        >>> format_duration(7_200_000), format_duration(2_592_000_000), format_duration(90_000)
        ('2h', '30d', '90s')
    """
    for unit, scale in (("d", DAY_MS), ("h", HOUR_MS), ("m", MINUTE_MS), ("s", SECOND_MS)):
        if milliseconds % scale == 0:
            return f"{milliseconds // scale}{unit}"
    return f"{milliseconds}ms"


def floor_to(moment_ms: int, step_ms: int) -> int:
    """Return the greatest multiple of `step_ms` that is not after `moment_ms` (also before 1970)."""
    return moment_ms - moment_ms % step_ms


def default_hop(length_ms: int) -> int:
    """Return the hop, in milliseconds, of a window that declares none."""
    if length_ms < 12 * HOUR_MS:
        return 5 * MINUTE_MS
    if length_ms < 12 * DAY_MS:
        return HOUR_MS
    return DAY_MS


@dataclass(frozen=True, order=True)
class Window:
    """A window's length and the hop its left edge snaps to, both in milliseconds."""

    length_ms: int
    hop_ms: int

    @classmethod
    def of(cls, length_ms: int, hop_ms: int | None = None) -> "Window":
        """Return the window of this length, with the declared hop or the default one."""
        return cls(length_ms, hop_ms or default_hop(length_ms))

    def start(self, t_ms: int) -> int:
        """Return the left edge, included, of the window asked for at `t_ms`."""
        return floor_to(t_ms - self.length_ms, self.hop_ms)

    def covers(self, event_time_ms: int, t_ms: int) -> bool:
        """Tell whether an event at `event_time_ms` lies in the window asked for at `t_ms`."""
        not_too_old = self.start(t_ms) <= event_time_ms
        strictly_before = event_time_ms < t_ms
        return not_too_old and strictly_before
