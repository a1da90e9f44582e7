"""A worker's figures, a partition of its topic: how many records became what, where it stands, how old what it applies is.

The worker adds to them once a batch, in its own thread; whoever shows them (`reporting`, `metrics`) takes a copy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field, replace
from threading import Lock
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_core.clock import Clock

LINE_EVERY_MS = 10_000
BUCKETS_MS = (2, 5, 10, 20, 50, 100, 250, 500, 1_000, 5_000, 30_000, 300_000)
"""Upper bounds of the freshness histogram's buckets; what is older falls into one more."""
_SAMPLES = 2_000


@dataclass
class PartitionMeasures:
    """What became of one partition's records since the start.

    Attributes:
        outcomes: outcome -> number of records.
        position: next offset; None before the first batch.
        fresh_ms: from a source record's append time to done, of the newest records.
        buckets: records by freshness, one number a bucket of BUCKETS_MS and one for what is older.
        fresh_sum_ms: sum of the freshness of all records.
        done_ms: when the last batch was done; None before the first.
    """

    outcomes: Counter[str] = field(default_factory=Counter)
    position: int | None = None
    fresh_ms: deque[int] = field(default_factory=lambda: deque(maxlen=_SAMPLES))
    buckets: list[int] = field(default_factory=lambda: [0] * (len(BUCKETS_MS) + 1))
    fresh_sum_ms: int = 0
    done_ms: int | None = None

    def freshness_ms(self, share: float) -> int | None:
        """Return the quantile (0 to 1) of the newest records' freshness in milliseconds; None when there was none."""
        return _quantile(self.fresh_ms, share)

    def copy(self) -> PartitionMeasures:
        """Return these figures as they are now."""
        own = (Counter(self.outcomes), self.fresh_ms.copy(), list(self.buckets))
        return replace(self, outcomes=own[0], fresh_ms=own[1], buckets=own[2])

    def add(self, appended_ms: Sequence[int], now_ms: int) -> None:
        """Take note of records that are done, by the append times of their source records."""
        fresh_ms = [max(0, now_ms - moment_ms) for moment_ms in appended_ms]
        self.fresh_ms.extend(fresh_ms)
        self.fresh_sum_ms += sum(fresh_ms)
        # A bucket's records lie together once they are ordered, which costs less than to look for the bucket of each.
        ordered, before = sorted(fresh_ms), 0
        for place, bound_ms in enumerate(BUCKETS_MS):
            reached = bisect_right(ordered, bound_ms)
            self.buckets[place] += reached - before
            before = reached
        self.buckets[-1] += len(ordered) - before


class Measures:
    """The figures of one worker.

    Attributes:
        worker: what it does: `merge` or `score`.
        waits_for: why it does nothing at this moment, as a sentence; empty while it works.
    """

    def __init__(self, worker: str, clock: Clock, log: Any) -> None:
        self.worker = worker
        self.waits_for = ""
        self._clock = clock
        self._log = log
        self._lock = Lock()
        self._partitions: defaultdict[int, PartitionMeasures] = defaultdict(PartitionMeasures)
        self._lag = 0
        self._is_news = False
        self._next_line_ms = clock.now_ms() + LINE_EVERY_MS

    @property
    def totals(self) -> Counter[str]:
        """Return outcome -> number of records since the start, over all partitions."""
        with self._lock:
            return sum((own.outcomes for own in self._partitions.values()), Counter())

    def by_partition(self) -> dict[int, PartitionMeasures]:
        """Return a copy of every partition's figures."""
        with self._lock:
            return {partition: own.copy() for partition, own in self._partitions.items()}

    def begun(self, positions: Mapping[int, int]) -> None:
        """Take note of where the worker goes on."""
        with self._lock:
            for gone in set(self._partitions) - set(positions):
                self._partitions[gone].position = None
            for partition, position in positions.items():
                self._partitions[partition].position = position
        self.waits_for = ""

    def waits(self, reason: str) -> None:
        """Take note of why the worker does nothing."""
        self.waits_for = reason

    def count(self, partition: int, outcomes: Mapping[str, int]) -> None:
        """Add numbers of one partition's records by outcome."""
        with self._lock:
            own = self._partitions[partition].outcomes
            for outcome, number in outcomes.items():
                if number:
                    own[outcome] += number

    def done(self, appended_ms: Mapping[int, Sequence[int]], positions: Mapping[int, int], lag_records: int) -> None:
        """Take note of a batch that is done, to the keeping of its positions.

        Args:
            appended_ms: partition -> append times of the source records of what was done.
            positions: partition -> next offset.
            lag_records: how many records still wait, as last heard.
        """
        now_ms = self._clock.now_ms()
        with self._lock:
            for partition, position in positions.items():
                own = self._partitions[partition]
                own.position, own.done_ms = position, now_ms
                own.add(appended_ms.get(partition, ()), now_ms)
        self._lag, self._is_news, self.waits_for = lag_records, True, ""

    def freshness_ms(self, share: float) -> int | None:
        """Return the quantile (0 to 1) of the newest records' freshness in milliseconds; None when there was none."""
        return _quantile([fresh_ms for own in self.by_partition().values() for fresh_ms in own.fresh_ms], share)

    def line(self) -> None:
        """Write the line in the log when one is due and something happened since the last."""
        if self._is_news and self._clock.now_ms() >= self._next_line_ms:
            self.say("worker goes on")

    def say(self, event: str) -> None:
        """Write the line in the log now."""
        p50, p99 = self.freshness_ms(0.5), self.freshness_ms(0.99)
        self._log.info(event, **self.totals, lag_records=self._lag, fresh_p50_ms=p50, fresh_p99_ms=p99)
        self._is_news = False
        self._next_line_ms = self._clock.now_ms() + LINE_EVERY_MS


def _quantile(samples_ms: Sequence[int] | deque[int], share: float) -> int | None:
    ordered = sorted(samples_ms)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else None
