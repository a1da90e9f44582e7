"""A worker's figures: how many records became what, how far behind it is, how old what it applies is."""

from __future__ import annotations

from collections import Counter as Tally
from collections import deque
from typing import TYPE_CHECKING, Any

from prometheus_client import Counter, Gauge, Histogram, start_http_server

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from lambda_core.clock import Clock

LINE_EVERY_MS = 10_000
_SAMPLES = 10_000
_BUCKETS_S = (0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 300, float("inf"))

_RECORDS = Counter("mainstem_worker_records", "Records by what became of them.", ["worker", "outcome"])
_LAG = Gauge("mainstem_worker_lag_records", "Records of the topic not yet processed.", ["worker"])
_LAG_S = Gauge("mainstem_worker_lag_seconds", "Age of the newest processed source record, while behind.", ["worker"])
_FRESHNESS = Histogram(
    "mainstem_worker_freshness_seconds", "From a source record's append time to done.", ["worker"], buckets=_BUCKETS_S
)


class Measures:
    """The figures of one worker.

    Attributes:
        totals: outcome -> number of records since the start.
    """

    def __init__(self, worker: str, clock: Clock, log: Any) -> None:
        self.totals: Tally[str] = Tally()
        self._worker = worker
        self._clock = clock
        self._log = log
        self._fresh_ms: deque[int] = deque(maxlen=_SAMPLES)
        self._lag = 0
        self._next_line_ms = clock.now_ms() + LINE_EVERY_MS

    def count(self, outcomes: Mapping[str, int]) -> None:
        """Add numbers of records by outcome."""
        for outcome, number in outcomes.items():
            if number:
                self.totals[outcome] += number
                _RECORDS.labels(self._worker, outcome).inc(number)

    def done(self, append_ms: Iterable[int], lag_records: int) -> None:
        """Take note of a batch: the append times of its source records (ms), and how many records still wait."""
        now_ms, newest_ms = self._clock.now_ms(), 0
        for appended_ms in append_ms:
            newest_ms = max(newest_ms, appended_ms)
            self._fresh_ms.append(now_ms - appended_ms)
            _FRESHNESS.labels(self._worker).observe(max(0, now_ms - appended_ms) / 1_000)
        self._lag = lag_records
        _LAG.labels(self._worker).set(lag_records)
        _LAG_S.labels(self._worker).set((now_ms - newest_ms) / 1_000 if lag_records and newest_ms else 0)

    def freshness_ms(self, share: float) -> int | None:
        """Return the quantile (0 to 1) of the last batches' freshness in milliseconds; None when there was none."""
        ordered = sorted(self._fresh_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None

    def line(self) -> None:
        """Write the line in the log when one is due and something happened since the last."""
        now_ms = self._clock.now_ms()
        if now_ms >= self._next_line_ms and self._fresh_ms:
            self.say("worker goes on")

    def say(self, event: str) -> None:
        """Write the line in the log now, and begin the next line's freshness anew."""
        p50, p99 = self.freshness_ms(0.5), self.freshness_ms(0.99)
        self._log.info(event, **self.totals, lag_records=self._lag, fresh_p50_ms=p50, fresh_p99_ms=p99)
        self._fresh_ms.clear()
        self._next_line_ms = self._clock.now_ms() + LINE_EVERY_MS


def serve_metrics(port: int | None) -> None:
    """Serve the process's metrics on loopback; nothing when no port is set."""
    if port is not None:
        start_http_server(port, addr="127.0.0.1")
