"""The connection to Redis that every adapter of the store shares: explicit time-outs, plain errors, loaded scripts.

What an adapter raises is a `StoreError` that names the address (never the password) and what to do. Adapters:
`merge_store` (the merge worker's side), `view_store` (the reading side), `model_store` (models),
`record_store` (scores, definitions), `pointers` (what is current).
"""

from __future__ import annotations

from contextlib import contextmanager
from hashlib import sha1
from typing import TYPE_CHECKING, Any, cast

import redis
import structlog
from redis.backoff import ExponentialBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import NoPermissionError, NoScriptError, RedisClusterException, ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from lambda_core.errors import EpochError, StoreError
from lambda_core.repositories.cluster import Cluster, as_cluster
from lambda_core.views.slots import is_cluster

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from lambda_core.views.script import ScriptCall

CONNECT_SECONDS = 2.0
ANSWER_SECONDS = 5.0


def connect(url: str, answer_seconds: float = ANSWER_SECONDS, retries: int = 1) -> redis.Redis:
    """Return a client of a Redis that answers and forgets nothing it was given. Arguments as of `client_of`.

    Raises:
        StoreError: when nothing answers there, or when it may evict keys.
    """
    client = client_of(url, answer_seconds, retries)
    refuse_eviction(client)
    return client


def client_of(url: str, answer_seconds: float = ANSWER_SECONDS, retries: int = 1) -> redis.Redis:
    """Return a client without asking anything yet: for who starts before Redis does.

    Args:
        url: `redis://[user:password@]host:port/database`, or, of a cluster,
            `redis+cluster://[user:password@]host:port[,host:port ...]`.
        answer_seconds: how long to wait for a reply; a reader chooses less than its deadline.
        retries: how often a command is sent again over a new connection after the old one broke, never after a
            time-out. The merge worker takes 0: after a broken connection it reads its positions again.
    """
    if is_cluster(url):
        return cluster_of(url, answer_seconds, retries)
    retry = Retry(ExponentialBackoff(cap=0.05, base=0.005), retries, supported_errors=(RedisConnectionError,))
    return redis.Redis.from_url(url, **_options(answer_seconds), retry=retry)


def cluster_of(
    url: str, answer_seconds: float, retries: int, on_connect: Callable[[Any], None] | None = None
) -> redis.Redis:
    """Return a client of a cluster (see `Cluster`), without asking anything yet."""
    # It has every command that the adapters send; for them it is a Redis.
    return cast("redis.Redis", Cluster(url, _options(answer_seconds), retries, on_connect))


def _options(answer_seconds: float) -> dict[str, Any]:
    return {
        "protocol": 2,  # the one every Redis and proxy speaks; version 3 would add a greeting and push messages
        "socket_timeout": answer_seconds,
        "socket_connect_timeout": min(CONNECT_SECONDS, answer_seconds),
        "socket_keepalive": True,
    }


def servers_of(client: redis.Redis) -> list[redis.Redis]:
    """Return a client of each server that holds data: the shards, or the one."""
    if cluster := as_cluster(client):
        with answering(client):
            return [cast("redis.Redis", node.redis_connection) for _, node in cluster.shards()]
    return [client]


def shard_slots(client: redis.Redis) -> list[int | None]:
    """Return a slot of each shard, always the same while it has the same slots; of one Redis, None."""
    if cluster := as_cluster(client):
        with answering(client):
            return [slot for slot, _ in cluster.shards()]
    return [None]


def refuse_eviction(client: redis.Redis) -> None:
    """Refuse a Redis that may evict keys: an evicted period would be a wrong answer, not a miss.

    Raises:
        StoreError: when its policy, or a shard's, is another than `noeviction`.
    """
    for server in servers_of(client):
        _refuse_eviction(server)


def _refuse_eviction(client: redis.Redis) -> None:
    with answering(client):
        try:
            settings = cast("dict[str, Any]", client.config_get("maxmemory-policy"))
        except (NoPermissionError, ResponseError) as error:
            structlog.get_logger().warning("eviction policy unknown: CONFIG GET is forbidden", reason=str(error))
            return
    policy = settings.get("maxmemory-policy", "noeviction")
    if policy != "noeviction":
        raise StoreError(
            f"Redis at {address(client)}: expected maxmemory-policy noeviction, found {policy}; "
            "what it evicts would be missing from answers: CONFIG SET maxmemory-policy noeviction"
        )


def address(client: redis.Redis) -> str:
    """Return where a client's server is, without user and password."""
    if cluster := as_cluster(client):
        return ",".join(f"{host}:{port}" for host, port in cluster.nodes)
    where = client.connection_pool.connection_kwargs
    if "path" in where:
        return str(where["path"])
    return f"{where.get('host', 'localhost')}:{where.get('port', 6379)}/{where.get('db', 0)}"


@contextmanager
def answering(client: redis.Redis) -> Iterator[None]:
    """Turn what the client raises into a `StoreError` that says where, what and what to do."""
    try:
        yield
    except (RedisConnectionError, RedisTimeoutError) as error:
        away = "does not answer in time" if isinstance(error, RedisTimeoutError) else "cannot be reached"
        raise StoreError(
            f"Redis at {address(client)} {away} ({type(error).__name__}); check REDIS_URL, or start it: mainstem up"
        ) from error
    except RedisClusterException as error:  # not one of the others
        raise StoreError(
            f"Redis Cluster at {address(client)}: {error}; check REDIS_URL and the shards: redis-cli cluster info"
        ) from error
    except redis.RedisError as error:
        raise refused(client, error) from error


def refused(client: redis.Redis, error: Exception) -> StoreError:
    """Return the error for a reply that is one: `EpochError` when the script missed its epoch's mark."""
    if str(error).startswith("EPOCH"):
        return EpochError(
            f"Redis at {address(client)}: {error}; it was emptied or went back in time: publish the batch view again "
            "and rebuild the speed view"
        )
    return StoreError(f"Redis at {address(client)} refused: {error}")


class Script:
    """One script of the views, called by its hash; loaded again whenever a server does not know it."""

    def __init__(self, client: redis.Redis, text: str) -> None:
        self._client = client
        self._text = text
        # Redis names scripts so; nothing rests on the hash being hard to forge.
        self.sha = sha1(text.encode(), usedforsecurity=False).hexdigest()

    def load(self) -> None:
        """Give the script to the server."""
        with answering(self._client):
            self._client.script_load(self._text)


def call_all(client: redis.Redis, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
    """Send calls of a script, those of one entity in their order; return every reply.

    It takes as many round trips as the busiest entity has calls, most often one: an entity's next call is sent only once
    the one before was answered well. Else a refused call (no memory at that moment, a script not known, a slot on its way
    to another shard) could be followed by one that is taken, and what was refused would be fenced when it is sent again.

    A server that was restarted or flushed of its scripts is given the script, and what it refused is sent again.

    Raises:
        EpochError: when the epoch's mark is missing. StoreError: when any reply is another error.
    """
    replies: list[Any] = [None] * len(calls)
    for places in _rounds(calls):
        _answer(client, script, calls, places, replies)
        unknown = [place for place in places if isinstance(replies[place], NoScriptError)]
        if unknown:
            script.load()
            _answer(client, script, calls, unknown, replies)
        for place in places:
            if isinstance(replies[place], Exception):
                raise refused(client, replies[place])
    return replies


def _rounds(calls: Sequence[ScriptCall]) -> list[list[int]]:
    """Return the places of the calls, an entity's first ones, its second ones, and so on."""
    rounds: list[list[int]] = []
    sent: dict[str, int] = {}
    for place, call in enumerate(calls):
        entity = call.keys[0].partition("}")[0]  # up to the end of the hash tag
        number = sent.get(entity, 0)
        sent[entity] = number + 1
        if number == len(rounds):
            rounds.append([])
        rounds[number].append(place)
    return rounds


def _answer(
    client: redis.Redis, script: Script, calls: Sequence[ScriptCall], places: list[int], replies: list[Any]
) -> None:
    for place, reply in zip(places, _send(client, script, [calls[place] for place in places]), strict=True):
        replies[place] = reply


def _send(client: redis.Redis, script: Script, calls: Sequence[ScriptCall]) -> list[Any]:
    with answering(client), client.pipeline(transaction=False) as pipeline:
        for call in calls:
            pipeline.evalsha(script.sha, len(call.keys), *call.keys, *call.args)
        return pipeline.execute(raise_on_error=False)
