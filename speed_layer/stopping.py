"""How long-running processes are ended: SIGTERM or SIGINT sets an event that their loops look at."""

import signal
from threading import Event
from types import FrameType


def stop_on_signals() -> Event:
    """Return an event that SIGTERM and SIGINT set; to be called from the main thread."""
    stop = Event()

    def end(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    return stop
