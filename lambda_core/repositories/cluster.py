"""A Redis Cluster as the adapters use it: like one Redis, as far as that can be true.

Single commands, and the map of the slots, are redis-py's own cluster client. Its pipeline is not taken: it knows no
`EVALSHA`, and after a redirection it sends commands again one by one, behind others that it has sent already, so that
one entity's updates could be applied out of order. Here a pipeline goes to every shard at the same time, in its order on
each; when a shard broke or a slot moved, all of it is sent again by the new map, or, without retries, none of it.

There are no transactions: a shard has them for the keys of one slot alone. Who needs one has a script.
"""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, NodeCommands, PipelineCommand
from redis.commands import CoreCommands
from redis.crc import key_slot
from redis.exceptions import AskError, ClusterDownError, MovedError, SlotNotCoveredError, TryAgainError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from lambda_core.errors import ConfigError
from lambda_core.views.slots import SCHEME

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

_Node: Any = ClusterNode  # these have no types
_Command: Any = PipelineCommand
_Batch: Any = NodeCommands
_MAP_IS_OLD = (MovedError, AskError, TryAgainError, ClusterDownError, SlotNotCoveredError)


class _Topology(redis.RedisCluster):
    """redis-py's client, which would send a command again after a time-out too: a reader has no time for that."""

    ERRORS_ALLOW_RETRY = (RedisConnectionError, ClusterDownError, SlotNotCoveredError)  # type: ignore[assignment]


class Cluster:
    """A client of all shards. Nothing is asked before the first command. Safe to share between threads.

    Args:
        url: `redis+cluster://[user:password@]host:port[,host:port ...]`: any of the shards, the others are found.
        options: of every connection. retries: how often what broke is sent again.
        on_connect: called with each connection that was made; what it raises refuses the connection.
    """

    def __init__(
        self, url: str, options: Mapping[str, Any], retries: int, on_connect: Callable[[Any], None] | None = None
    ) -> None:
        self.nodes, user = _parsed(url)
        self.retries = retries
        self._options: dict[str, Any] = {**options, **user, "redis_connect_func": on_connect}
        self._made: _Topology | None = None
        self._making = Lock()
        self._shards: tuple[Any, list[tuple[int, ClusterNode]]] = (None, [])

    def __getattr__(self, name: str) -> Any:
        """Return a command of redis-py's client: what is not here is there."""
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(self._topology, name)

    def pipeline(self, *, transaction: bool = True) -> ShardedPipeline:
        """Return a pipeline over all shards; only without transaction."""
        if transaction:
            raise TypeError("a cluster has no transactions over several slots: ask for transaction=False")
        return ShardedPipeline(self)

    def mget(self, keys: Sequence[str]) -> list[bytes | None]:
        """Return the values of keys, wherever they are; not of one moment."""
        with self.pipeline(transaction=False) as pipeline:
            for key in keys:
                pipeline.execute_command("GET", key)
            return pipeline.execute()

    def mset(self, values: Mapping[str, Any]) -> None:
        """Set keys, wherever they are; not at one moment."""
        with self.pipeline(transaction=False) as pipeline:
            for key, value in values.items():
                pipeline.execute_command("SET", key, value)
            pipeline.execute()

    def shards(self) -> list[tuple[int, ClusterNode]]:
        """Return the primaries, each with the first of its slots."""
        slots = self._topology.nodes_manager.slots_cache
        if self._shards[0] is not slots:
            found: dict[str, tuple[int, ClusterNode]] = {}
            for slot in sorted(slots):
                found.setdefault(slots[slot][0].name, (slot, slots[slot][0]))
            self._shards = (slots, list(found.values()))
        return self._shards[1]

    def shard_of(self, key: str | bytes) -> ClusterNode:
        """Return the primary that a key belongs to."""
        slot = key_slot(key if isinstance(key, bytes) else key.encode())
        try:
            return self._topology.nodes_manager.slots_cache[slot][0]
        except LookupError as error:
            raise SlotNotCoveredError(f"no shard serves slot {slot}") from error

    def look_again(self) -> None:
        """Ask the shards anew which slots they have."""
        self._topology.nodes_manager.initialize()

    def close(self) -> None:
        """Let go of all connections."""
        if self._made is not None:
            self._made.close()

    @property
    def _topology(self) -> _Topology:
        if self._made is not None:
            return self._made
        with self._making:
            if self._made is None:
                self._made = _Topology(
                    startup_nodes=[_Node(host, port) for host, port in self.nodes],
                    retry=Retry(NoBackoff(), self.retries),
                    reinitialize_steps=1,
                    **self._options,
                )
            return self._made


def as_cluster(client: object) -> Cluster | None:
    """Return the client of a cluster, if it is one."""
    return client if isinstance(client, Cluster) else None


class ShardedPipeline(CoreCommands):
    """Commands that go to their shards in one round trip, each shard's in the order in which they were given."""

    _event_dispatcher: Any = None  # asked for by the type alone

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._commands: list[Any] = []

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Forget what was not sent."""
        self._commands = []

    def execute_command(self, *args: Any, **options: Any) -> ShardedPipeline:
        """Put a command on the list; its key is the one after its name, or after a script's number of keys."""
        self._commands.append(_Command(args, options))
        return self

    def execute(self, raise_on_error: bool = True) -> list[Any]:  # noqa: FBT001, FBT002 - as redis-py has it
        """Send the list, and return a reply to each command, in its order.

        Raises:
            ConnectionError, TimeoutError: when a shard is away; what other shards were sent may have been done.
            ResponseError: with `raise_on_error`, the first reply that is one.
        """
        commands, self._commands = self._commands, []
        for left in range(self._cluster.retries, -1, -1):
            try:
                self._send(commands)
            except (RedisConnectionError, SlotNotCoveredError):
                if not left:
                    raise
            else:
                if not left or not any(isinstance(command.result, _MAP_IS_OLD) for command in commands):
                    break
            self._cluster.look_again()
        replies = [command.result for command in commands]
        error = next((reply for reply in replies if isinstance(reply, Exception)), None)
        if raise_on_error and error is not None:
            raise error
        return replies

    def _send(self, commands: list[Any]) -> None:
        batches: dict[str, Any] = {}
        try:
            for command in commands:
                node = self._cluster.shard_of(_key(command.args))
                if node.name not in batches:
                    client: Any = node.redis_connection
                    pool = client.connection_pool
                    batches[node.name] = _Batch(client.parse_response, pool, pool.get_connection())
                batches[node.name].append(command)
            for batch in batches.values():
                batch.write()
            for batch in batches.values():
                batch.read()
            _raise_if_broken(commands)
        except BaseException:
            # Replies that nobody has read would be taken for those of the next commands.
            for batch in batches.values():
                batch.connection.disconnect()
            raise
        finally:
            for batch in batches.values():
                batch.connection_pool.release(batch.connection)


def _raise_if_broken(commands: list[Any]) -> None:
    for command in commands:
        if isinstance(command.result, RedisConnectionError | RedisTimeoutError):
            raise command.result


def _key(args: tuple[Any, ...]) -> str | bytes:
    key: str | bytes = args[3] if args[0] in {"EVALSHA", "EVAL"} else args[1]
    return key


def _parsed(url: str) -> tuple[list[tuple[str, int]], dict[str, str]]:
    """Return the addresses, and user and password where the URL has them."""
    user, _, hosts = url.removeprefix(SCHEME).rstrip("/").rpartition("@")
    named = [node.rpartition(":") for node in hosts.split(",")]
    if not all(host and port.isdecimal() for host, _, port in named):
        raise ConfigError(
            f"REDIS_URL: expected {SCHEME}[user:password@]host:port[,host:port ...], found {SCHEME}{hosts}"
        )
    nodes = [(host, int(port)) for host, _, port in named]
    name, _, password = user.partition(":")
    credentials = {"username": name, "password": password}
    return nodes, {key: unquote(value) for key, value in credentials.items() if value}
