"""Whether Redis, once it was started again, has caught up with the log.

A Redis that was started again may hold an older state than it did: its last second is lost, or somebody put an older file
back. Everything in it says so, pointer and marks as well, and all of it is true of that older moment; only its process is
another. So each epoch notes, for each partition of the updates topic, the process in which a worker had applied all of
it, and a reader compares that with the process that answers it, in the same step as the data:

1. A new epoch notes the process that it begins in, for all partitions, before anything names it.
2. A worker that begins asks the log for its ends after it has connected: whatever was ever applied lies before them. Once
   it has applied all up to there, it notes the process over that same connection, which ends with the process.
3. While any partition's note names another process, no answer is `merged`. So what an answer has once said is in every
   later one.

A process that loads another state without ending (`DEBUG RELOAD`, a replica that follows another primary) is not noticed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lambda_core.errors import BehindError
from lambda_core.repositories.store import Script, address, call_all, shard_slots
from lambda_core.views.script import CAUGHT_UP, ScriptCall

if TYPE_CHECKING:
    from collections.abc import Iterable

    import redis

    from lambda_core.views.keyspace import Keyspace


class CaughtUp:
    """The notes of one Redis, or of every shard. Every method raises StoreError when Redis is away."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys
        self._script = Script(client, CAUGHT_UP)

    def begin(self, epoch: str, partitions: Iterable[int]) -> None:
        """Note this process for partitions that have no note yet: nothing of the epoch was lost before."""
        self._call(epoch, "begin", partitions)

    def note(self, epoch: str, partitions: Iterable[int]) -> None:
        """Note that all of these partitions is applied in this process."""
        self._call(epoch, "note", partitions)

    def holds(self, epoch: str) -> bool:
        """Tell whether all of the epoch's partitions are applied in the process that answers."""
        return all(self._call(epoch, "ask", ()))

    def ask(self, pipeline: Any, epoch: str) -> int:
        """Put on a pipeline what `holds` asks, behind what it is to hold for; return how many replies that makes."""
        keys = self._of_shards(epoch)
        for key in keys:
            pipeline.evalsha(self._script.sha, 1, key, "ask")
        return len(keys)

    def load(self) -> None:
        """Give the script to the server."""
        self._script.load()

    def behind(self, epoch: str) -> BehindError:
        """Return the error for an epoch that is not held."""
        return BehindError(
            f"Redis at {address(self._client)} was started again: expected the merge workers to have applied all of epoch "
            f"{epoch} up to where the log ended then, found them behind; wait for them (mainstem speed status), or start them"
        )

    def _call(self, epoch: str, what: str, partitions: Iterable[int]) -> list[Any]:
        named = list(partitions)
        return call_all(
            self._client, self._script, [ScriptCall([key], [what, *named]) for key in self._of_shards(epoch)]
        )

    def _of_shards(self, epoch: str) -> list[str]:
        return [self._keys.caught_up(epoch, slot) for slot in shard_slots(self._client)]
