"""The loop of both workers: poll, process, and only then keep the position; after any failure begin again.

1. *Begin*: the handler tells where to go on, from what is kept beside the data; the log goes back there.
2. *Poll* what has come, at most a batch; nothing is fetched beyond the client's bounded queue meanwhile.
3. *Look* whether what was found at the begin still holds: after the poll, so that it holds for all that was polled.
4. *Process* all of it. When this raises, nothing is kept, and the next step begins again from what is kept.
5. *Keep* the next positions. A failure here repeats the batch, which the fence (or the prediction id) drops.

The loop knows neither Kafka nor Redis; it is given a log and a handler.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import tenacity

from lambda_core.errors import PositionError, ServerError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from threading import Event

POLL_S = 0.2
WAIT_S = 0.5
LONGEST_WAIT_S = 1.0
"""Nothing is `merged` from a Redis that came back until the worker has been there: so it looks each second at least."""


class Record(NamedTuple):
    """One record of a topic of the project's own, with its position there."""

    partition: int
    offset: int
    value: bytes


class RecordLog(Protocol):
    """Partitions of one topic, read in order."""

    def seek(self, positions: Mapping[int, int]) -> None:
        """Go to these next offsets; partitions that are not named are not read."""
        ...

    def poll(self, limit: int, wait_s: float) -> Sequence[Record]:
        """Return what has come, in the order of each partition; wait at most this long for the first record."""
        ...


class Handler(Protocol):
    """What a worker does with records."""

    def begin(self) -> Mapping[int, int] | None:
        """Return the next offset of each partition, as kept beside the data; None when it is too early to begin."""
        ...

    def is_current(self) -> bool:
        """Tell whether what `begin` found still holds, after every poll; False throws it away and begins again."""
        ...

    def process(self, records: Sequence[Record]) -> None:
        """Do the work of these records, wholly, or raise."""
        ...

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets, beside the data."""
        ...


class Worker:
    """Reads one topic and hands batches to its handler; at least once, in order, with bounded memory."""

    def __init__(self, log: RecordLog, handler: Handler, max_batch: int) -> None:
        self._log = log
        self._handler = handler
        self.max_batch = max_batch
        self._begun = False

    def step(self) -> int | None:
        """Process at most one batch; return its number of records, None when it was too early to begin."""
        begun, self._begun = self._begun, False  # until all of it is done: whatever happens in between begins again
        if not begun and not self._begin():
            return None
        records = self._log.poll(self.max_batch, POLL_S)
        if not self._handler.is_current():
            return 0
        if records:
            self._handler.process(records)
            self._handler.keep({record.partition: record.offset + 1 for record in records})
        self._begun = True
        return len(records)

    def _begin(self) -> bool:
        positions = self._handler.begin()
        if positions is None:
            return False
        self._log.seek(positions)
        return True


def run_until(stop: Event, worker: Worker, log: Any, waits: Callable[[str], None] = lambda _: None) -> None:
    """Step until `stop` is set. A server that is away is waited for; a lost position ends the run.

    The log and `waits` are told the reason of every wait.

    Raises:
        PositionError: when the log no longer has what comes next.
    """

    def tell(state: tenacity.RetryCallState) -> None:
        reason, attempt = str(state.outcome.exception()) if state.outcome else "", state.attempt_number
        waits(reason)
        if attempt & (attempt - 1) == 0:  # the first, second, fourth ...: an hour's wait is a dozen lines
            log.warning("worker waits for its servers", attempt=attempt, reason=reason)

    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_exception_type(ServerError) & tenacity.retry_if_not_exception_type(PositionError),
        wait=tenacity.wait_exponential(multiplier=0.1, max=LONGEST_WAIT_S),
        stop=tenacity.stop_when_event_set(stop),
        sleep=tenacity.sleep_using_event(stop),
        before_sleep=tell,
        retry_error_callback=lambda _: 0,
    )
    while not stop.is_set():
        if retrying(worker.step) is None:
            stop.wait(WAIT_S)
