"""Mistakes that only a cluster has, and that the simulation of one must find."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from lambda_core.repositories.marks import SlotMarks
from lambda_core.repositories.store import shard_slots
from lambda_core.repositories.view_store import ViewStore
from speed_layer import positions
from tests.simulation.shards import Pipeline, few_slots

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARDED_MUTANTS: dict[str, Any] = {}
"""Mistake -> what gives its context."""


def _mutant(mistake: Callable[[], Any]) -> None:
    @contextmanager
    def made() -> Iterator[None]:
        with few_slots(), mistake():
            yield

    SHARDED_MUTANTS[mistake.__name__] = made


@_mutant
def a_read_asks_for_no_mark() -> Any:
    own = ViewStore._ask_shards

    def blind(*args: Any) -> list[Any]:
        found, _, *replies = own(*args)
        return [found, True, *replies]

    return patch.object(ViewStore, "_ask_shards", blind)


@_mutant
def a_read_asks_for_the_epoch_alone() -> Any:
    return patch.object(
        Pipeline, "smismember", lambda self, key, names: self.execute_command("smismember", key, names[:1]), create=True
    )


@_mutant
def positions_lie_on_one_shard() -> Any:
    return patch.object(positions, "shard_slots", lambda client: shard_slots(client)[:1])


@_mutant
def the_newest_shard_counts() -> Any:
    def newest(partitions: Any, shards: Any) -> dict[int, int]:
        kept = {p: [int(one) for one in own if one] for p, *own in zip(partitions, *shards, strict=True)}
        return {partition: max(own) for partition, own in kept.items() if own}

    return patch.object(positions, "_oldest", newest)


@_mutant
def a_mark_that_was_lost_is_set_again() -> Any:
    def add(self: SlotMarks, epoch: str) -> None:
        self._ask(range(8), lambda pipeline, slot: pipeline.sadd(self._keys.mark_in(slot), epoch))

    def holds(self: SlotMarks, *_: Any, everywhere: bool = False) -> bool:
        return True

    return patch.multiple(SlotMarks, add=add, holds=holds)
