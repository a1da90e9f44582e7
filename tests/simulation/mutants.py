"""Mistakes that the simulation must find: each breaks one rule of the merge, in the code that runs or in what it is given.

A mutant is a context in which the mistake is made; it gives the world to run.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import msgspec

from batch_layer.publishing.retiring import retire
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.memory_topics import MemoryTopics
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Pointer
from lambda_core.views.script import Scripts
from lambda_core.views.speed import SeenKeys
from speed_layer.merging.handling import MergeHandler
from speed_layer.merging.target import RedisTarget
from speed_layer.positions import Positions
from speed_layer.worker import Worker
from tests.laws.oracle import Event
from tests.laws.worlds import row_of
from tests.simulation.store import Client, Rules, Server
from tests.simulation.world import ALLOWANCE_MS, PERIOD_MS, World, definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lambda_core.views.speed import SpeedHash

MUTANTS: dict[str, Any] = {}
"""Mistake -> what gives its context."""


def _mutant(mistake: Callable[[], Iterator[type[World]]]) -> None:
    MUTANTS[mistake.__name__] = contextmanager(mistake)


def _with_rules(rules: type[Rules]) -> type[World]:
    return type("Ruled", (World,), {"rules": rules})


# --- the script --------------------------------------------------------------------------------------------------


@_mutant
def no_fence() -> Iterator[type[World]]:
    class Unfenced(Rules):
        def apply(self, hash_: SpeedHash, *how: Any) -> str:
            hash_.fence.clear()
            return super().apply(hash_, *how)

    yield _with_rules(Unfenced)


@_mutant
def the_fence_lets_its_own_offset_pass() -> Iterator[type[World]]:
    class Less(Rules):
        def apply(self, hash_: SpeedHash, group: Any, update: Any, *how: Any) -> str:
            if hash_.fence.get(update.partition) == update.offset:
                hash_.fence[update.partition] -= 1
            return super().apply(hash_, group, update, *how)

    yield _with_rules(Less)


@_mutant
def dropped_updates_are_not_remembered() -> Iterator[type[World]]:
    class Forgetful(Rules):
        def remember(self, seen: SeenKeys, update: Any) -> bool:
            return False

    yield _with_rules(Forgetful)


@_mutant
def duplicates_within_any_time() -> Iterator[type[World]]:
    def is_duplicate(self: SeenKeys, update: Any) -> bool:
        if not update.unique:
            return False
        return self.kept.setdefault((update.partition, update.unique), (0, update.offset))[1] != update.offset

    with patch.object(SeenKeys, "is_duplicate", is_duplicate):
        yield World


@_mutant
def late_records_are_not_noted() -> Iterator[type[World]]:
    class Silent(Rules):
        notes_late = False

    yield _with_rules(Silent)


@_mutant
def readers_trust_a_redis_that_was_started_again() -> Iterator[type[World]]:
    with patch.object(Server, "caught_up", lambda *_: 1):
        yield World


@_mutant
def caught_up_before_the_log_is_read() -> Iterator[type[World]]:
    with patch.object(RedisTarget, "ends", lambda self: dict.fromkeys(Positions.ends(self._positions), 0)):
        yield World


@_mutant
def caught_up_to_where_the_log_once_ended() -> Iterator[type[World]]:
    ends = RedisTarget.ends

    def first(self: RedisTarget) -> dict[int, int]:
        self._once = getattr(self, "_once", None) or ends(self)  # type: ignore[attr-defined]
        return dict(self._once)  # type: ignore[attr-defined]

    with patch.object(RedisTarget, "ends", first):
        yield World


@_mutant
def a_new_epoch_notes_no_process() -> Iterator[type[World]]:
    with patch.object(CaughtUp, "begin", lambda *_: None):
        yield World


# --- the updates -------------------------------------------------------------------------------------------------


@_mutant
def no_tie_break() -> Iterator[type[World]]:
    class Tied(World):
        def updates(self, event: Event) -> list[Any]:
            (update,) = super().updates(event)
            return [msgspec.structs.replace(update, row=row_of(self.group, replace(event, partition=0, offset=0)))]

    yield Tied


@_mutant
def updates_split_by_slot() -> Iterator[type[World]]:
    class Split(World):
        def updates(self, event: Event) -> list[Any]:
            (update,) = super().updates(event)
            half = len(update.row) // 2
            rest = [""] * half, [""] * (len(update.row) - half)
            return [
                msgspec.structs.replace(update, row=update.row[:half] + rest[1]),
                msgspec.structs.replace(update, row=rest[0] + update.row[half:]),
            ]

    yield Split


@_mutant
def the_query_overtakes_itself() -> Iterator[type[World]]:
    class Hasty(World):
        def query(self) -> None:
            before = [len(records) for records in self.emitted]
            super().query()
            for first, records in zip(before, self.emitted, strict=True):
                records[first:] = reversed(records[first:])

    yield Hasty


# --- the worker --------------------------------------------------------------------------------------------------


@_mutant
def positions_before_data() -> Iterator[type[World]]:
    process = MergeHandler.process

    def keep_and_process(self: Any, records: Any) -> None:
        self.keep({record.partition: record.offset + 1 for record in records})
        process(self, records)

    with patch.object(MergeHandler, "process", keep_and_process):
        yield World


@_mutant
def positions_are_read_once() -> Iterator[type[World]]:
    begin = MergeHandler.begin

    def begin_once(self: Any) -> Any:
        known, read = dict(self._next), begin(self)
        return None if read is None else {**read, **known}

    with patch.object(MergeHandler, "begin", begin_once):
        yield World


@_mutant
def the_worker_looks_before_it_polls() -> Iterator[type[World]]:
    def step(self: Any) -> int | None:
        begun, self._begun = self._begun, False
        if not (begun and self._handler.is_current()) and not self._begin():
            return None
        records = self._log.poll(self.max_batch, 0)
        if records:
            self._handler.process(records)
            self._handler.keep({record.partition: record.offset + 1 for record in records})
        self._begun = True
        return len(records)

    with patch.object(Worker, "step", step):
        yield World


@_mutant
def the_worker_does_not_know_the_coming_view() -> Iterator[type[World]]:
    targets_of = RedisTarget._targets_of

    with patch.object(RedisTarget, "_targets_of", lambda self, _, *found: targets_of(self, None, *found)):
        yield World


@_mutant
def a_broken_connection_mends_itself() -> Iterator[type[World]]:
    class Mending(Client):
        def _ask(self) -> str | None:
            fate = super()._ask()
            self._run = self._server.run
            return None if fate == "lost" else fate

        def send(self, commands: list[tuple[Any, ...]], *, whole: bool = True) -> list[Any]:
            try:
                return super().send(commands, whole=whole)
            finally:
                self._run = self._server.run

    class Mended(World):
        def client(self, name: str) -> Client:
            return Mending(self.server, lambda: self.between(name))

    yield Mended


@_mutant
def a_new_epoch_begins_where_the_old_one_stood() -> Iterator[type[World]]:
    with patch.object(Positions, "_key", lambda self, _, partition, __: self.keys.worker(self.topic, partition)):
        yield World


@_mutant
def one_call_a_period() -> Iterator[type[World]]:
    def merge_calls(self: Any, updates: Any) -> list[Any]:
        runs: dict[Any, list[Any]] = {}
        for update in updates:
            runs.setdefault((self.period(update.append_ms), update.group, update.entity), []).append(update)
        return [self._merge(self.definition.groups[own[1]], own[2], own[0], run) for own, run in sorted(runs.items())]

    with patch.object(Scripts, "merge_calls", merge_calls):
        yield World


# --- the publication ---------------------------------------------------------------------------------------------


@_mutant
def the_view_takes_its_horizon_too() -> Iterator[type[World]]:
    class Further(World):
        def of_view(self, event: Event, horizon: int) -> bool:
            return event.append_ms // PERIOD_MS <= horizon

    yield Further


@_mutant
def no_clock_allowance() -> Iterator[type[World]]:
    class Trusting(World):
        def context(self, name: str) -> Any:
            view = SimpleNamespace(period_ms=PERIOD_MS, clock_allowance_ms=0)
            made = super().context(name)
            made.project = SimpleNamespace(view=view, sources=made.project.sources, project=made.project.project)
            return made

    yield Trusting


@_mutant
def the_horizon_is_not_proven() -> Iterator[type[World]]:
    places = [f"batch_layer.publishing.{module}.missing" for module in ("horizon", "publish")]
    with patch(places[0], return_value=[]), patch(places[1], return_value=[]):
        yield World


@_mutant
def the_first_record_after_the_horizon_proves_it() -> Iterator[type[World]]:
    at_time = MemoryTopics.at_time

    def at_horizon(self: MemoryTopics, topic: str, moment_ms: int) -> dict[int, int | None]:
        return at_time(self, topic, moment_ms - ALLOWANCE_MS)

    with patch.object(MemoryTopics, "at_time", at_horizon):
        yield World


@_mutant
def copies_are_kept_in_the_view() -> Iterator[type[World]]:
    class Copying(World):
        def counted(self, events: list[Event]) -> list[Event]:
            return events

    yield Copying


@_mutant
def what_appeared_meanwhile_is_not_looked_for() -> Iterator[type[World]]:
    with patch("batch_layer.publishing.publish._note_late", return_value=0):
        yield World


@_mutant
def late_records_are_forgotten_by_the_current_view_alone() -> Iterator[type[World]]:
    absorbed = Scripts._absorbed

    with patch.object(Scripts, "_absorbed", lambda self, group: absorbed(replace(self, views=self.views[:1]), group)):
        yield World


@_mutant
def expiry_before_the_flip() -> Iterator[type[World]]:
    class Early(PointerRepository):
        def flip(self, expected: bytes | None, new: Pointer, **how: Any) -> None:
            retire(self._client, Keyspace("world"), definition(1), new)
            super().flip(expected, new, **how)

    with patch("batch_layer.publishing.publish.PointerRepository", Early):
        yield World


@_mutant
def what_the_view_before_needs_is_let_go() -> Iterator[type[World]]:
    with patch.object(Pointer, "retained_horizon", lambda self: self.current.horizon):
        yield World


@_mutant
def seen_keys_are_forgotten_at_a_horizon() -> Iterator[type[World]]:
    with patch.object(Scripts, "kept_since_ms", lambda self, _: self.first_period * PERIOD_MS):
        yield World


@_mutant
def a_flip_does_not_ask_for_the_note() -> Iterator[type[World]]:
    flip = PointerRepository.flip

    with patch.object(PointerRepository, "flip", lambda self, expected, new, **_: flip(self, expected, new)):
        yield World


@_mutant
def an_epoch_is_used_again() -> Iterator[type[World]]:
    with patch("batch_layer.publishing.publish._epoch", lambda context, *_: f"{context.definition.id}.0"):
        yield World


# --- the reader --------------------------------------------------------------------------------------------------


@_mutant
def a_reader_trusts_its_pointer() -> Iterator[type[World]]:
    see = ViewStore._see

    def trust(self: Any, found: Any) -> Pointer:
        return self._current[1] if self._current else see(self, found)

    with patch.object(ViewStore, "_see", trust):
        yield World
