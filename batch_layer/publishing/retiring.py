"""What no pointer names any more gets an expiry: never a deletion, since a reader may still hold an older pointer."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.store import Script, answering, call_all
from lambda_core.views.script import RELEASE, Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator

    import redis

    from lambda_core.features.definition import Definition
    from lambda_core.views.keyspace import Keyspace
    from lambda_core.views.pointer import Pointer

LIFE_SECONDS = 600
"""How long what is let go still lives: longer than any deadline and any cached pointer."""
_AT_ONCE = 500


def started_ms(generation: str) -> int:
    """Return when the publication of a generation began, in milliseconds."""
    return int(generation[1:])


def retire(client: redis.Redis, keys: Keyspace, definition: Definition, pointer: Pointer) -> dict[str, int]:
    """Let go of older generations, of other epochs, and of the periods that both views cover; return how many keys.

    A generation that began after the current one is being loaded by somebody else: it is left alone.
    """
    marks_of(client, keys).forget(pointer)
    return {
        "batch_values": _expire(client, _old_values(client, keys, pointer)),
        "epochs": _expire(client, _old_epochs(client, keys, pointer)),
        "periods": _release(client, keys, definition, pointer),
    }


def _named(pointer: Pointer) -> tuple[set[str], set[str]]:
    """Return the generations and the epochs that the pointer names."""
    return {one.generation for one in pointer.views}, {one.epoch for one in pointer.views}


def _old_values(client: redis.Redis, keys: Keyspace, pointer: Pointer) -> Iterator[str]:
    generations, _ = _named(pointer)
    newest = max(started_ms(generation) for generation in generations)
    for key in _scan(client, f"{keys.entity_prefix}*}}:b:*"):
        generation = key.rsplit(":", 1)[1]
        if generation not in generations and started_ms(generation) < newest:
            yield key


def _old_epochs(client: redis.Redis, keys: Keyspace, pointer: Pointer) -> Iterator[str]:
    _, epochs = _named(pointer)
    for kind in "siul":
        for key in _scan(client, f"{keys.entity_prefix}*}}:{kind}:*"):
            if key.rsplit("}:", 1)[1].split(":")[1] not in epochs:
                yield key


def _release(client: redis.Redis, keys: Keyspace, definition: Definition, pointer: Pointer) -> int:
    """Let go of the periods of the current epoch that both views cover."""
    epoch = pointer.current.epoch
    calls = Scripts(definition, keys, epoch, pointer.retained_horizon(), pointer.views)
    script, released = Script(client, RELEASE), 0
    found = (key for kind in "il" for key in _scan(client, f"{keys.entity_prefix}*}}:{kind}:{epoch}"))
    tags = (key[len(keys.entity_prefix) :].split("}:", 1)[0] for key in found)
    known = (tag.split(":", 1) for tag in tags if tag.split(":", 1)[0] in definition.groups)
    while chunk := list(islice(known, _AT_ONCE)):
        sent = [calls.release_call(group, entity, LIFE_SECONDS) for group, entity in chunk]
        released += sum(reply[0] for reply in call_all(client, script, sent))
    return released


def _expire(client: redis.Redis, found: Iterator[str]) -> int:
    """Give keys an expiry, where they have none; return to how many."""
    expired = 0
    while chunk := list(islice(found, _AT_ONCE)):
        with answering(client), client.pipeline(transaction=False) as pipeline:
            for key in chunk:
                pipeline.ttl(key)
            fresh = [key for key, ttl in zip(chunk, pipeline.execute(), strict=True) if ttl == -1]
            for key in fresh:
                pipeline.expire(key, LIFE_SECONDS)
            pipeline.execute()
        expired += len(fresh)
    return expired


def _scan(client: redis.Redis, pattern: str) -> Iterator[str]:
    with answering(client):
        for key in client.scan_iter(match=pattern, count=2_000):
            yield key.decode() if isinstance(key, bytes) else str(key)
