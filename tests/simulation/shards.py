"""The simulation over a cluster of two shards, either of which may be emptied, or go back a second, alone.

Eight slots stand for 16,384, so that a publication is as short as it is with one Redis. Of the two entities one lies with
the pointer, and one does not.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import redis

from lambda_core.repositories import marks
from lambda_core.repositories.cluster import Cluster
from lambda_core.views import slots
from tests.simulation.store import Client
from tests.simulation.world import World

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.simulation.store import Server

_SLOTS = 8
_SHARDS = 2
_SCRIPT_KEYS = {"evalsha": 2, "eval": 2}


@contextmanager
def few_slots() -> Iterator[None]:
    """Let a cluster have eight slots."""
    slots._tags.cache_clear()
    with patch.object(slots, "SLOTS", _SLOTS), patch.object(marks, "SLOTS", _SLOTS):
        yield
    slots._tags.cache_clear()


class ShardedWorld(World):
    """A world whose Redis is a cluster."""

    shards = _SHARDS

    def client(self, name: str) -> Any:
        return Shards(self.servers, partial(self.between, name))


class Shards(Cluster):
    """A client of all shards: commands go to that of their key."""

    def __init__(self, servers: list[Server], between: Callable[[], str | None]) -> None:
        self.nodes = [("simulated", place) for place in range(len(servers))]
        self.clients = [Client(server, between) for server in servers]

    def __getattr__(self, name: str) -> Any:
        if name == "scan_iter":
            return lambda **how: (key for client in self.clients for key in client.scan_iter(**how))
        place = _SCRIPT_KEYS.get(name, 0)
        return lambda *args, **how: getattr(self.client_of(args[place]), name)(*args, **how)

    def client_of(self, key: str) -> Client:
        tag = key.partition("{")[2].partition("}")[0] or key
        return self.clients[slots.slot_of(tag) * _SHARDS // _SLOTS]

    def shards(self) -> list[Any]:
        first = [place * _SLOTS // _SHARDS for place in range(_SHARDS)]
        return [(slot, SimpleNamespace(redis_connection=one)) for slot, one in zip(first, self.clients, strict=True)]

    def script_load(self, text: str) -> None:
        for client in self.clients:
            client.script_load(text)

    def pipeline(self, *, transaction: bool = True) -> Any:
        assert not transaction
        return Pipeline(self)

    def close(self) -> None:
        for client in self.clients:
            client.close()


class Pipeline:
    """Commands that go to their shards at the same time: what one of them does not answer, others may have done."""

    def __init__(self, shards: Shards) -> None:
        self._shards = shards
        self._commands: list[tuple[str, tuple[Any, ...]]] = []

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands = []

    def __getattr__(self, name: str) -> Any:
        return lambda *args: self._commands.append((name, args))

    def execute_command(self, name: str, *args: Any) -> None:
        self._commands.append((name.lower(), args))

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        commands, self._commands = self._commands, []
        replies: dict[int, Any] = {}
        broken: Exception | None = None
        for client in self._shards.clients:
            own = [
                place
                for place, (name, args) in enumerate(commands)
                if self._shards.client_of(args[_SCRIPT_KEYS.get(name, 0)]) is client
            ]
            pipeline = client.pipeline(transaction=False)
            for place in own:
                name, args = commands[place]
                if name == "evalsha":
                    pipeline.evalsha(*args)
                else:
                    pipeline.command(name, *args)
            try:
                replies.update(zip(own, pipeline.execute(raise_on_error=False), strict=True) if own else ())
            except redis.ConnectionError as error:
                broken = error
        if broken is not None:
            raise broken
        errors = [reply for reply in replies.values() if isinstance(reply, Exception)]
        if raise_on_error and errors:
            raise errors[0]
        return [replies[place] for place in range(len(commands))]
