"""Batch views published one after the other while messages go through: what a scheduler would do all day, in a minute."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event
from types import TracebackType
from typing import Self

from demo.processes import RunsStages


class Publications:
    """Runs the stages of a publication over and over, in a thread, from the begin of the block to its end.

    The one that is on its way at the end of the block is waited for; a stage that fails is raised there.

    Attributes:
        due: the shares of the messages by which the first, the second ... view is due.
        flipped_ns: when each publication was done, in monotonic nanoseconds.
    """

    def __init__(self, batch: RunsStages, arguments: Sequence[str], due: Sequence[float] = ()) -> None:
        self.due = due
        self.flipped_ns: list[int] = []
        self._batch, self._arguments = batch, arguments
        self._end = Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="publications")

    def __enter__(self) -> Self:
        self._going = self._thread.submit(self._publish)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.shutdown()
        if error is None:
            self._going.result()

    def until(self, moment_ns: int) -> int:
        """Return how many were done before a moment."""
        return sum(flipped_ns <= moment_ns for flipped_ns in self.flipped_ns)

    def is_late(self, share: float) -> bool:
        """Tell whether fewer views are done than are due once this share (0 to 1) of the messages is sent.

        Where publishing failed, none will come, and none is late.
        """
        return len(self.flipped_ns) < sum(share >= due for due in self.due) and not self._going.done()

    def _publish(self) -> None:
        while not self._end.is_set():
            self._batch.run(self._arguments)
            self.flipped_ns.append(time.monotonic_ns())
