"""What becomes of a batch of updates. Pure: the store, the clock and the log are given.

1. The pointer names the epochs to write: those of the current and the previous view whose definition this worker has, and
   that of a view that is announced. Without any, the worker waits; it never writes beside an epoch. (During a change of the definition a worker of each
   runs, so that a revert finds its epoch up to date.)
2. An update goes to the epoch of its own definition; one of no such definition, and what is no update of ours, is left
   out and counted: nothing waits for it.
3. Positions are those of the oldest epoch: an epoch without a position begins where the log begins.
4. Readers trust a Redis that was started again only once every partition is applied up to where the log ended when its
   worker connected to it (see `repositories.caught_up`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from lambda_core.fail_points import passed
from lambda_core.views.script import is_late
from speed_layer.merging.reading import UnreadableError, UpdateReader

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lambda_core.clock import Clock
    from lambda_core.features.definition import Definition
    from lambda_core.repositories.merge_store import MergeCounts
    from lambda_core.schemas.messages import Update
    from lambda_core.views.pointer import Published
    from speed_layer.monitoring import Measures
    from speed_layer.worker import Record

_NO_EPOCH = "no view of its definition is published, or Redis lacks the epoch's mark"


@dataclass(frozen=True)
class Target:
    """An epoch that updates of its definition are written to.

    Attributes:
        first_period: updates of periods before it are dropped.
        views: those that are current, were so before, or are about to be: what they closed without it is late.
    """

    definition: Definition
    epoch: str
    first_period: int
    views: tuple[Published, ...] = ()


class MergeTarget(Protocol):
    """Where updates go. All methods raise StoreError when it is away."""

    def open(self) -> None:
        """Connect anew; from then on, a connection that breaks stays broken."""
        ...

    def targets(self) -> tuple[Target, ...]:
        """Return the epochs that are published and held in full, the current view's first; none when it is not."""
        ...

    def positions(self, epochs: Sequence[str]) -> dict[int, int]:
        """Return the next offset of each partition: the oldest of these epochs'."""
        ...

    def ends(self) -> dict[int, int]:
        """Return where the log ends now: the next offset of each partition that this worker reads."""
        ...

    def caught_up(self, epochs: Sequence[str], partitions: Sequence[int]) -> None:
        """Note that Redis holds all of these partitions up to where the log ended when it was connected to."""
        ...

    def apply(self, target: Target, parts: Mapping[int, Sequence[Update]]) -> dict[int, MergeCounts]:
        """Apply each partition's updates in the order of the log; return what became of each one's.

        Raises EpochError when the epoch's mark is missing.
        """
        ...

    def keep(self, epochs: Sequence[str], positions: Mapping[int, int]) -> None:
        """Keep the next offsets, for each epoch."""
        ...


class MergeHandler:
    """Merges batches of updates into the epochs that the pointer names."""

    def __init__(
        self, store: MergeTarget, clock: Clock, measures: Measures, log: Any, lag: Callable[[Mapping[int, int]], int]
    ) -> None:
        self._store = store
        self._clock = clock
        self._measures = measures
        self._log = log
        self._lag = lag
        self._targets: tuple[Target, ...] = ()
        self._reader = UpdateReader()
        self._next: dict[int, int] = {}
        self._behind: dict[int, int] = {}
        self._appended: dict[int, list[int]] = {}

    def begin(self) -> Mapping[int, int] | None:
        """Return where to go on; None while no epoch is published and held in full."""
        self._store.open()
        self._targets = self._store.targets()
        if not self._targets:
            if self._measures.waits_for != _NO_EPOCH:
                self._log.warning(f"merge worker waits: {_NO_EPOCH}")
            self._measures.waits(_NO_EPOCH)
            return None
        self._reader = UpdateReader(target.definition for target in self._targets)
        self._next = dict(self._store.positions(self._epochs))
        self._behind = dict(self._store.ends())
        self._measures.begun(self._next)
        self._log.info("merge worker begins", epochs=self._epochs, positions=self._next, ends=self._behind)
        self._note_caught_up()
        return self._next

    def is_current(self) -> bool:
        """Tell whether the epochs are still those that the pointer names; takes over moved horizons, and coming ones."""
        self._measures.line()
        found = self._store.targets()
        same = [target.epoch for target in found] == self._epochs
        if same:
            self._targets = found
        return same

    def process(self, records: Sequence[Record]) -> None:
        """Apply the batch's updates, each to the epoch of its definition."""
        parts, left_out = self._read(records)
        passed("merge.before_apply")
        for target in self._targets:
            own = parts[target.definition.id]
            for partition, counts in (self._store.apply(target, own) if own else {}).items():
                self._measures.count(partition, vars(counts))
                if counts.late:
                    self._name_late(target, own[partition])
        for partition, outcomes in left_out.items():
            self._measures.count(partition, outcomes)
        self._appended = defaultdict(list)
        for own in parts.values():
            for partition, updates in own.items():
                self._appended[partition] += [update.append_ms for update in updates]
        passed("merge.after_apply")

    def keep(self, positions: Mapping[int, int]) -> None:
        """Keep the next offsets beside the data that was written."""
        self._store.keep(self._epochs, positions)
        passed("merge.after_keep")
        self._next.update(positions)
        self._note_caught_up()
        self._measures.done(self._appended, positions, self._lag(self._next))

    def _note_caught_up(self) -> None:
        """Say which partitions are applied up to where the log ended at the begin: nothing that was read before is missing."""
        reached = [partition for partition, end in self._behind.items() if self._next.get(partition, 0) >= end]
        if reached:
            self._store.caught_up(self._epochs, reached)
            self._behind = {partition: end for partition, end in self._behind.items() if partition not in reached}

    def _name_late(self, target: Target, updates: Sequence[Update]) -> None:
        """Say which records appeared in periods that a view had closed; until the next view their entities' answers lack them."""
        for update in updates:
            if is_late(target.definition, target.views, update):
                self._log.warning(
                    "record appeared before a published horizon: look at the clocks that stamp the source",
                    source=target.definition.groups[update.group].source,
                    partition=update.partition,
                    offset=update.offset,
                    append_ms=update.append_ms,
                )

    @property
    def _epochs(self) -> list[str]:
        return [target.epoch for target in self._targets]

    def _read(self, records: Sequence[Record]) -> tuple[dict[str, dict[int, list[Update]]], dict[int, Counter[str]]]:
        """Return definition -> partition -> its updates, and partition -> how many of its records are none of ours."""
        parts: dict[str, dict[int, list[Update]]] = {target.definition.id: {} for target in self._targets}
        left_out: defaultdict[int, Counter[str]] = defaultdict(Counter)
        first = ""
        for record in records:
            try:
                update = self._reader.read(record.value)
            except UnreadableError as error:
                left_out[record.partition]["unreadable"] += 1
                first = first or f"partition {record.partition}, offset {record.offset}: {error}"
                continue
            if update is None:
                left_out[record.partition]["other_definition"] += 1
            else:
                parts[update.definition].setdefault(record.partition, []).append(update)
        if first:
            self._log.error(
                "no updates of ours", number=sum(one["unreadable"] for one in left_out.values()), first=first
            )
        return parts, left_out
