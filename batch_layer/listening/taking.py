"""Which messages are followed together: those that wait, and those that were announced in the same moment."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from threading import Event

    from batch_layer.listening.chain import Ask

POLL_S = 0.5
TOGETHER_S = 30
"""How long a message is held for those that it names as `together` with it; then it is followed without them."""
_MOST = 1000


def take(messages: Any, read: Callable[[Any], Ask | None], stop: Event) -> tuple[list[Any], list[Ask]]:
    """Return the messages that wait (within half a second of the first; none: nothing came), and what they ask for.

    Further ones are waited for as long as a source is missing that one of them names as announced together with it.
    """
    first = messages.poll(POLL_S)
    if first is None:
        return [], []
    coming, found, asks = [first, *messages.consume(_MOST, POLL_S)], [], []
    until = time.monotonic() + TOGETHER_S
    while True:
        found += coming
        asks += [ask for ask in map(read, coming) if ask is not None]
        if not _missing(asks) or stop.is_set() or time.monotonic() >= until:
            return found, asks
        coming = messages.consume(_MOST, POLL_S)


def _missing(asks: Iterable[Ask]) -> set[str]:
    """Return the sources that are announced together with one that came, and have not come."""
    return {source for ask in asks for source in ask.together} - {ask.source for ask in asks}
