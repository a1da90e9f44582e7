"""The merge worker's side of Redis: updates go in through `merge.lua`, fenced."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

from lambda_core.repositories.store import Script, call_all
from lambda_core.views.script import MERGE, Scripts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import redis

    from lambda_core.features.definition import Definition
    from lambda_core.schemas.messages import Update
    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.pointer import Published
    from lambda_core.views.script import ScriptCall


@dataclass(frozen=True)
class MergeCounts:
    """What became of updates.

    Attributes:
        applied: counted in a period's hash. fenced: applied before. duplicates: later copies of a unique key.
        dropped: of periods that the current and the previous batch view hold.
        late: of periods that a view closed without them, whatever became of them beside.
    """

    applied: int = 0
    fenced: int = 0
    duplicates: int = 0
    dropped: int = 0
    late: int = 0


class MergeStore:
    """Applies updates of one definition, each at most once.

    Takes a client without retries (`connect(url, retries=0)`): after a lost connection the worker itself reads its
    positions again and goes back to the oldest before it applies anything.
    """

    def __init__(self, client: redis.Redis, keys: Keyspace, definition: Definition) -> None:
        self._client = client
        self._keys = keys
        self._definition = definition
        self._script = Script(client, MERGE)
        self._script.load()

    def apply(
        self, epoch: str, updates: Sequence[Update], first_period: int = 0, views: Sequence[Published] = ()
    ) -> MergeCounts:
        """Apply updates, given in the order of the log, in one round trip of atomic, fenced calls.

        Args:
            epoch: where to.
            updates: of this definition.
            first_period: the first one retained (`Pointer.retained_horizon`).
            views: those by which an update may be late (`Scripts.views`).

        Raises:
            EpochError: when this Redis does not hold the epoch: stop applying.
            StoreError: when any reply is an error or missing. What was applied before it is fenced when sent again.
        """
        return self.apply_parts(epoch, {0: updates}, first_period, views)[0]

    def apply_parts(
        self,
        epoch: str,
        parts: Mapping[int, Sequence[Update]],
        first_period: int = 0,
        views: Sequence[Published] = (),
    ) -> dict[int, MergeCounts]:
        """Do the same for the updates of several partitions of the log, in one round trip; return each one's counts.

        An entity's updates lie on one partition, so their order is kept.
        """
        scripts = Scripts(self._definition, self._keys, epoch, first_period, views)
        calls = {partition: scripts.merge_calls(updates) for partition, updates in parts.items()}
        replies = iter(call_all(self._client, self._script, list(chain.from_iterable(calls.values()))))
        return {partition: _total(own, islice(replies, len(own))) for partition, own in calls.items()}


def _total(calls: Iterable[ScriptCall], replies: Iterable[Sequence[int]]) -> MergeCounts:
    return replace(MergeCounts(*map(sum, zip(*replies, strict=True))), late=sum(call.late for call in calls))
