"""Marks of what Redis holds in full. Who reads a mark beside the data knows that nothing of it was lost before.

One Redis has one mark, the set of its epochs: where it was emptied, the pointer is gone too, and where it went back in
time, so did the pointer. Of a cluster one shard may be emptied or go back alone, while the pointer stays where it is. So
every slot has a mark of its own, in the same shard and log as the slot's data whatever becomes of either; and it names
the generations, too: a shard from before a publication has its epoch, but not its batch values.

Over a cluster, in the order that is the guarantee:

1. Before the first batch value, every slot notes the generation as being loaded.
2. After the last one, every slot moves the note into its mark; one that has no note was emptied or went back since then.
3. Just before the flip, every slot is asked for the mark again. What is lost later is seen by whoever reads it.
4. Generations that no pointer names any more leave the marks before any of them expires.

An epoch's mark is set once, when the epoch is new. Setting it again, where a slot lost it, would call that slot whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from lambda_core.errors import StoreError
from lambda_core.repositories.cluster import as_cluster
from lambda_core.repositories.store import answering, shard_slots
from lambda_core.views.slots import SLOTS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import redis

    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.pointer import Pointer, Published

LOADING_SECONDS = 86_400
"""How long the note of a publication that never came to its end stays."""


class Marks(Protocol):
    """What is held in full. Every method raises StoreError when Redis is away."""

    def holds(self, epoch: str, generation: str | None = None, *, everywhere: bool = False) -> bool:
        """Tell whether an epoch, and a generation, are held in full: on every shard, or, asked `everywhere`, in every slot."""
        ...

    def add(self, epoch: str) -> None:
        """Mark an epoch that is published for the first time, or goes on."""
        ...

    def begin(self, generation: str) -> None:
        """Note that a generation is being loaded, before anything of it is written."""
        ...

    def written(self, generation: str) -> None:
        """Note that all of a generation was written; StoreError when there is no note that it began."""
        ...

    def noted(self, generation: str) -> list[str]:
        """Return the key that has to say `written` at the moment of the flip, if it is in the flip's reach.

        Raises:
            StoreError: when the generation is not all there any more.
        """
        ...

    def forget(self, pointer: Pointer) -> None:
        """Forget what the pointer does not name, before any of it expires."""
        ...


def marks_of(client: redis.Redis, keys: Keyspace) -> Marks:
    """Return the marks of what this client is connected to."""
    return SlotMarks(client, keys) if as_cluster(client) else OneMark(client, keys)


class OneMark:
    """The mark of one Redis."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def holds(self, epoch: str, generation: str | None = None, *, everywhere: bool = False) -> bool:
        """Tell whether the epoch is marked; a generation is there whenever the pointer to it is."""
        del generation, everywhere
        with answering(self._client):
            return bool(self._client.sismember(self._keys.mark, epoch))

    def add(self, epoch: str) -> None:
        """Mark the epoch."""
        with answering(self._client):
            self._client.sadd(self._keys.mark, epoch)

    def begin(self, generation: str) -> None:
        """Set the note."""
        with answering(self._client):
            self._client.set(self._keys.loading(generation), "begun", ex=LOADING_SECONDS)

    def written(self, generation: str) -> None:
        """Change the note, if it is there."""
        with answering(self._client):
            noted = self._client.set(self._keys.loading(generation), "written", ex=LOADING_SECONDS, xx=True)
        if not noted:
            raise emptied(generation)

    def noted(self, generation: str) -> list[str]:
        """Return the note's key."""
        return [self._keys.loading(generation)]

    def forget(self, pointer: Pointer) -> None:
        """Do nothing: an epoch's mark says nothing of another's."""


class SlotMarks:
    """The marks of a cluster, one a slot."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def holds(self, epoch: str, generation: str | None = None, *, everywhere: bool = False) -> bool:
        """Tell whether the slots' marks have both; `everywhere` asks all slots, else the first one of each shard."""
        wanted = [epoch, *([generation] if generation else [])]
        slots = range(SLOTS) if everywhere else self._first()
        found = self._ask(slots, lambda pipeline, slot: pipeline.smismember(self._keys.mark_in(slot), wanted))
        return all(all(held) for held in found)

    def add(self, epoch: str) -> None:
        """Mark the epoch in every slot, unless a shard has it: then it is no new one, and stays lost where it was lost."""
        held = self._ask(self._first(), lambda pipeline, slot: pipeline.sismember(self._keys.mark_in(slot), epoch))
        if not any(held):
            self._ask(range(SLOTS), lambda pipeline, slot: pipeline.sadd(self._keys.mark_in(slot), epoch))

    def begin(self, generation: str) -> None:
        """Note the generation in every slot."""
        self._ask(range(SLOTS), lambda pipeline, slot: pipeline.sadd(self._keys.loading_in(slot), generation))

    def written(self, generation: str) -> None:
        """Move every slot's note into its mark."""
        keys = self._keys
        moved = self._ask(
            range(SLOTS),
            lambda pipeline, slot: pipeline.smove(keys.loading_in(slot), keys.mark_in(slot), generation),
        )
        if not all(moved):
            raise emptied(generation)

    def noted(self, generation: str) -> list[str]:
        """Look at every slot's mark; the flip reaches only the pointer's own."""
        held = self._ask(range(SLOTS), lambda pipeline, slot: pipeline.sismember(self._keys.mark_in(slot), generation))
        if not all(held):
            raise emptied(generation)
        return []

    def forget(self, pointer: Pointer) -> None:
        """Take out of every slot what is older than the current view and not named; what is newer is somebody else's."""
        named = {name for one in pointer.views for name in (one.generation, one.epoch)}
        self._forget_in(self._keys.mark_in, named, pointer.current)
        self._forget_in(self._keys.loading_in, named, pointer.current)

    def _forget_in(self, key_in: Callable[[int], str], named: set[str], current: Published) -> None:
        found = self._ask(self._first(), lambda pipeline, slot: pipeline.smembers(key_in(slot)))
        held = {name.decode() for names in found for name in names}
        old = [name for name in held - named if _is_older(name, current)]
        if old:
            self._ask(range(SLOTS), lambda pipeline, slot: pipeline.srem(key_in(slot), *old))

    def _first(self) -> list[int]:
        return [slot for slot in shard_slots(self._client) if slot is not None]

    def _ask(self, slots: Iterable[int], command: Callable[[Any, int], Any]) -> list[Any]:
        with answering(self._client), self._client.pipeline(transaction=False) as pipeline:
            for slot in slots:
                command(pipeline, slot)
            return pipeline.execute()


def _is_older(name: str, current: Published) -> bool:
    """Tell whether a generation began before the current one, or an epoch of the same definition was replaced by it.

    The mark of another definition's epoch may stay: nothing is read under it, or goes on with it, without a generation's.
    """
    definition_id, dot, rebuild = name.rpartition(".")
    if dot:
        return definition_id == current.definition_id and int(rebuild) < current.rebuild
    return int(name[1:]) < int(current.generation[1:])


def emptied(generation: str) -> StoreError:
    """Return the error for a generation of which something was lost while it was published."""
    return StoreError(
        f"generation {generation}: expected Redis to hold all that was written of it, found that Redis was emptied or went "
        "back in time since then; nothing was flipped: publish again"
    )
