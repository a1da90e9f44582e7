"""Better wrong than late: rungs from the best answer to the default, each with what is left of the deadline.

1. A rung that reads Redis runs in a thread of its own, at most until its share of the deadline has passed.
2. When it fails or is late, the next rung answers; the answer says which rung it came from.
3. A rung that needs nothing but the process itself answers at once.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

from lambda_core.errors import MainstemError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from lambda_core.config.project import Rung

    Missed = Callable[[str, str], None]

T = TypeVar("T")

READING = ("merged", "batch_only")
"""Rungs that may wait for Redis."""
SHARE, LAST_SHARE = 0.8, 0.95
"""Part of the deadline by which a reading rung must be done: with another reading rung below it, and without."""
LATE = "late"


class Ladder:
    """The rungs of a project. Threads are per rung, so that a hanging read never keeps the next rung waiting.

    Args:
        rungs: in the order in which they are tried. deadline_ms: for the whole answer, in milliseconds.
        missed: told the rung's source and why it did not answer (`late`, or an error's sentence).
        threads: how many reads of one rung may be under way.
    """

    def __init__(self, rungs: Sequence[Rung], deadline_ms: int, missed: Missed | None = None, threads: int = 8) -> None:
        self._rungs = list(rungs)
        self._deadline_s = deadline_ms / 1_000
        self._missed = missed or (lambda _source, _reason: None)
        self._pools = {
            rung.source: ThreadPoolExecutor(threads, thread_name_prefix=f"rung-{rung.source}")
            for rung in rungs
            if rung.source in READING
        }

    def climb(self, attempt: Callable[[Rung], T]) -> T:
        """Return the answer of the first rung that gives one in time.

        Raises:
            ServerError: when no rung does.
        """
        begin = monotonic()
        for rung, until_s in self._steps():
            try:
                if rung.source not in READING:
                    return attempt(rung)
                future = self._pools[rung.source].submit(attempt, rung)
                return self._within(future, begin + until_s - monotonic())
            except TimeoutError:
                self._missed(rung.source, LATE)
            except MainstemError as error:
                self._missed(rung.source, str(error))
        raise self._fallen()

    async def climb_async(self, attempt: Callable[[Rung], T]) -> T:
        """Do as `climb`, without keeping the event loop waiting."""
        begin = monotonic()
        for rung, until_s in self._steps():
            try:
                if rung.source not in READING:
                    return attempt(rung)
                future = self._pools[rung.source].submit(attempt, rung)
                return await asyncio.wait_for(asyncio.wrap_future(future), begin + until_s - monotonic())
            except TimeoutError:
                self._missed(rung.source, LATE)
            except MainstemError as error:
                self._missed(rung.source, str(error))
        raise self._fallen()

    def close(self) -> None:
        """Let the threads end; what still waits for them is given up."""
        for pool in self._pools.values():
            pool.shutdown(wait=False, cancel_futures=True)

    def _steps(self) -> Iterator[tuple[Rung, float]]:
        """Yield each rung and the seconds since the begin by which it must have answered."""
        for place, rung in enumerate(self._rungs):
            another = any(below.source in READING for below in self._rungs[place + 1 :])
            yield rung, self._deadline_s * (SHARE if another else LAST_SHARE)

    @staticmethod
    def _within(future: Future[T], seconds: float) -> T:
        try:
            return future.result(timeout=max(0.0, seconds))
        except TimeoutError:
            future.cancel()  # one that still waits for a thread must not take it from a later question
            raise

    def _fallen(self) -> ServerError:
        tried = ", ".join(rung.source for rung in self._rungs)
        return ServerError(
            f"no rung of the ladder answered ({tried}); end serving.ladder with {{ source: default, value: ... }}"
        )
