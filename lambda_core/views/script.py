"""The calls of the Redis scripts: which updates go together, and the keys and arguments of each call.

The order is part of the guarantee. One entity's updates are applied in the order of their offsets, across periods too:
otherwise a reader could see offset 11 without 10 and name 11, and of two copies of an event the later could be kept.
So `merge_calls` puts into one call only updates that follow each other in the same period.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from lambda_core.features.definition import Definition, FeatureGroup
from lambda_core.features.windows import DAY_MS
from lambda_core.schemas.messages import Update
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Published

MERGE = (Path(__file__).parent / "merge.lua").read_text()
"""Applies updates to one period's hash; returns [applied, fenced, duplicates, dropped], or raises EPOCH."""
READ = (Path(__file__).parent / "read.lua").read_text()
"""Reads one entity's batch value and speed hashes in one atomic step."""
RELEASE = (Path(__file__).parent / "release.lua").read_text()
"""Lets go of one entity's periods before the first one retained."""
LATE = (Path(__file__).parent / "late.lua").read_text()
"""Notes one entity's late records."""
CAUGHT_UP = (Path(__file__).parent / "caught_up.lua").read_text()
"""Notes, or asks, in which process of Redis the updates of an epoch are all applied."""

FORGET_MARGIN_MS = DAY_MS
"""How long a kept copy's unique key outlives its use, for a worker that lags behind the view: it must still find there
what the records that it drops are copies of."""


@dataclass(frozen=True)
class ScriptCall:
    """One call of a script: its keys, all of one (group, entity) but for the epoch mark, and its arguments.

    Attributes:
        updates: how many it brings. late: how many of them lie in a period that a view closed without them.
    """

    keys: list[str]
    args: list[str | int | bytes]
    updates: int = 0
    late: int = 0


@dataclass(frozen=True)
class Scripts:
    """The scripts' calls for one definition and epoch.

    Attributes:
        first_period: the first period that the current or the previous view leaves to the speed view (see
            `Pointer.retained_horizon`); updates before it are dropped and counted.
        views: those that are current, were so before, or are about to be; what they miss is late.
    """

    definition: Definition
    keys: Keyspace
    epoch: str
    first_period: int = 0
    views: Sequence[Published] = ()

    def period(self, append_ms: int) -> int:
        """Return the period of a record appended at this time."""
        return append_ms // self.definition.project.view.period_ms

    def merge_calls(self, updates: Iterable[Update]) -> list[ScriptCall]:
        """Return the calls of `MERGE` for updates given in the order of the log; send them in this order."""
        runs: list[tuple[tuple[str, str, int], list[Update]]] = []
        newest: dict[tuple[str, str], int] = {}
        for update in updates:
            own = (update.group, update.entity, self.period(update.append_ms))
            place = newest.get(own[:2])
            if place is not None and runs[place][0] == own:
                runs[place][1].append(update)
            else:
                newest[own[:2]] = len(runs)
                runs.append((own, [update]))
        return [
            self._merge(self.definition.groups[group], entity, period, run) for (group, entity, period), run in runs
        ]

    def is_late(self, update: Update) -> bool:
        """Tell whether a view has closed the update's period without it."""
        return is_late(self.definition, self.views, update)

    def late_calls(self, updates: Iterable[Update]) -> list[ScriptCall]:
        """Return the calls of `LATE` for updates that are late."""
        noted: dict[tuple[str, str], dict[str, int]] = {}
        for update in updates:
            of_entity = noted.setdefault((update.group, update.entity), {})
            name = f"{update.partition}:{self.period(update.append_ms)}"
            of_entity[name] = max(update.offset, of_entity.get(name, -1))
        return [
            ScriptCall([self.keys.late(*own, self.epoch)], [part for pair in late.items() for part in pair])
            for own, late in noted.items()
        ]

    def read_call(self, group: str, entity: str, generation: str, horizon: int) -> ScriptCall:
        """Return the call of `READ` for one (group, entity) under a published view."""
        keys = [
            self.keys.batch(group, entity, generation),
            self.keys.periods(group, entity, self.epoch),
            self.keys.late(group, entity, self.epoch),
        ]
        return ScriptCall(keys, [self.keys.speed_prefix(group, entity, self.epoch), horizon])

    def release_call(self, group: str, entity: str, seconds: int) -> ScriptCall:
        """Return the call of `RELEASE` for one (group, entity): what is before `first_period` lives `seconds` more."""
        keys = [
            self.keys.periods(group, entity, self.epoch),
            self.keys.seen(group, entity, self.epoch),
            self.keys.late(group, entity, self.epoch),
        ]
        settings = [self.first_period, self.kept_since_ms(group), seconds]
        return ScriptCall(keys, [self.keys.speed_prefix(group, entity, self.epoch), *settings, *self._absorbed(group)])

    def _absorbed(self, group: str) -> list[int]:
        """Return, flat, each partition and the offset that follows what all views have absorbed of it."""
        source = self.definition.groups[group].source
        reached = [view.positions.get(source, {}) for view in self.views]
        partitions = sorted(set[int].intersection(*(set(own) for own in reached))) if reached else []
        return [part for partition in partitions for part in (partition, min(own[partition] for own in reached))]

    def kept_since_ms(self, group: str) -> int:
        """Return the append time before which a kept copy's unique key is forgotten: no copy that counts can meet it.

        A rebuild reads the updates topic from its begin, and so knows the copies again if the topic reaches back as far;
        where it does not, its own first copy may itself be a copy of an older record, and would count.
        """
        retained_ms = self.first_period * self.definition.project.view.period_ms
        return retained_ms - self._horizon_ms(group) - FORGET_MARGIN_MS

    def _horizon_ms(self, group: str) -> int:
        return self.definition.project.sources[self.definition.groups[group].source].duplicate_horizon_ms

    def _merge(self, group: FeatureGroup, entity: str, period: int, run: Sequence[Update]) -> ScriptCall:
        keys = [
            self.keys.speed(group.name, entity, self.epoch, period),
            self.keys.periods(group.name, entity, self.epoch),
            self.keys.seen(group.name, entity, self.epoch),
            self.keys.mark_of(group.name, entity),
            self.keys.late(group.name, entity, self.epoch),
        ]
        view = self.definition.project.view
        late = [bool(self.views) and self.is_late(one) for one in run]
        updates = [(*_place(one), True) if is_late else _place(one) for one, is_late in zip(run, late, strict=True)]
        settings: list[str | int | bytes] = [view.ring, self._horizon_ms(group.name), group.rule]
        packed = [msgspec.msgpack.encode(part) for part in (updates, *(one.row for one in run))]
        args = [self.epoch, period, self.first_period, *settings, *packed]
        return ScriptCall(keys, args, updates=len(run), late=sum(late))


def is_late(definition: Definition, views: Iterable[Published], update: Update) -> bool:
    """Tell whether one of the views has closed the update's period without it."""
    source, period = definition.groups[update.group].source, update.append_ms // definition.project.view.period_ms
    return any(view.misses(source, update.partition, update.offset, period) for view in views)


def _place(update: Update) -> tuple[int, int, int, int, str]:
    return update.partition, update.offset, update.append_ms, update.event_ms, update.unique or ""


def seen_fields(kept: Iterable[Update]) -> dict[str, str]:
    """Return the fields of `Keyspace.seen` for copies that count, given in the order of the log."""
    return {f"{one.partition}:{one.unique}": f"{one.append_ms}:{one.offset}" for one in kept if one.unique}
