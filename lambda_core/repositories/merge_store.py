"""The merge worker's side of Redis: updates go in through `merge.lua`, fenced."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.repositories.store import Script, call_all
from lambda_core.views.script import MERGE, Scripts

if TYPE_CHECKING:
    from collections.abc import Sequence

    import redis

    from lambda_core.features.definition import Definition
    from lambda_core.schemas.messages import Update
    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.pointer import Published


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
        scripts = Scripts(self._definition, self._keys, epoch, first_period, views)
        replies = call_all(self._client, self._script, scripts.merge_calls(updates))
        late = sum(map(scripts.is_late, updates)) if views else 0
        return MergeCounts(*(sum(column) for column in zip(*replies, strict=True)), late=late)
