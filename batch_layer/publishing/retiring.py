"""What no pointer names any more gets an expiry: never a deletion, since a reader may still hold an older pointer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.store import Script, answering, call_all
from lambda_core.views.script import RELEASE, Scripts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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

    All keys are gone through once, since Redis answers nobody while it walks. A generation that began after the current
    one is being loaded by somebody else: it is left alone.
    """
    marks_of(client, keys).forget(pointer)
    calls = Scripts(definition, keys, pointer.current.epoch, pointer.retained_horizon(), pointer.views)
    script, gone = Script(client, RELEASE), Counter({"batch_values": 0, "epochs": 0, "periods": 0})
    named, found = _Named.by(pointer), _scan(client, f"{keys.entity_prefix}*")
    while chunk := list(islice(found, _AT_ONCE)):
        sorted_ = [(_what(key, named), key) for key in chunk]
        for kind in ("batch_values", "epochs"):
            gone[kind] += _expire(client, [key for what, key in sorted_ if what == kind])
        tags = (key[len(keys.entity_prefix) :].split("}:", 1)[0] for what, key in sorted_ if what == "entity")
        entities = (tag.partition(":")[::2] for tag in tags)
        sent = [calls.release_call(*one, LIFE_SECONDS) for one in entities if one[0] in definition.groups]
        gone["periods"] += sum(reply[0] for reply in call_all(client, script, sent))
    return dict(gone)


@dataclass(frozen=True)
class _Named:
    """What a pointer names, worked out once for all keys."""

    generations: set[str]
    newest_ms: int
    epochs: set[str]
    epoch: str

    @classmethod
    def by(cls, pointer: Pointer) -> _Named:
        """Return what the pointer names."""
        generations = {one.generation for one in pointer.views}
        newest_ms = max(map(started_ms, generations))
        return cls(generations, newest_ms, {one.epoch for one in pointer.views}, pointer.current.epoch)


def _what(key: str, named: _Named) -> str | None:
    """Return what an entity's key is to a publication: a thing to let go of, or an entity to look at; None: neither."""
    kind, own, *_ = key.rsplit("}:", 1)[1].split(":")
    if kind == "b":
        return "batch_values" if own not in named.generations and started_ms(own) < named.newest_ms else None
    if own not in named.epochs:
        return "epochs"
    return "entity" if kind in "il" and own == named.epoch else None


def _expire(client: redis.Redis, keys: Sequence[str]) -> int:
    """Give keys an expiry, where they have none; return to how many."""
    if not keys:
        return 0
    with answering(client), client.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.ttl(key)
        fresh = [key for key, ttl in zip(keys, pipeline.execute(), strict=True) if ttl == -1]
        for key in fresh:
            pipeline.expire(key, LIFE_SECONDS)
        pipeline.execute()
    return len(fresh)


def _scan(client: redis.Redis, pattern: str) -> Iterator[str]:
    with answering(client):
        for key in client.scan_iter(match=pattern, count=2_000):
            yield key.decode() if isinstance(key, bytes) else str(key)
