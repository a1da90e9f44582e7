"""A connection to Redis that never comes back by itself, so that no lost connection goes unnoticed.

A pool mends an idle connection silently. A worker that wrote on after Redis came back from an older state would lose
what lay between; so here whatever breaks stays broken, and the worker opens anew and reads its positions again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError

from lambda_core.repositories.store import answering, cluster_of, connect, refuse_eviction, servers_of
from lambda_core.views.slots import is_cluster

if TYPE_CHECKING:
    import redis

ANSWER_S = 2.0
"""How long a worker waits for a reply; with the poll it bounds how soon a worker stops."""


def open_once(url: str) -> redis.Redis:
    """Return a client of one connection, to each shard, already made; when one breaks, later commands are StoreErrors.

    Raises:
        StoreError: when nothing answers there, or not every shard.
    """
    if is_cluster(url):
        return _open_shards_once(url)
    client = connect(url, answer_seconds=ANSWER_S, retries=0)
    pool: Any = client.connection_pool
    pool.connection_kwargs["redis_connect_func"] = _refuse
    with answering(client):
        connection = pool.get_connection()
    connection.redis_connect_func = _refuse
    pool.release(connection)
    return client


def process_id(client: redis.Redis) -> str:
    """Return the id of the server's process, or the shards'; another one than before means that one was started again."""
    return ",".join(_process_id(server) for server in servers_of(client))


def _process_id(server: redis.Redis) -> str:
    with answering(server):
        return str(server.info("server")["run_id"])


def _open_shards_once(url: str) -> redis.Redis:
    made: list[object] = []

    def refuse_when_made(connection: object) -> None:
        if made:
            _refuse(connection)

    client = cluster_of(url, ANSWER_S, retries=0, on_connect=refuse_when_made)
    refuse_eviction(client)
    for server in servers_of(client):
        with answering(server):
            connection = server.connection_pool.get_connection()
        server.connection_pool.release(connection)
    made.append(client)
    return client


def _refuse(_: object) -> None:
    raise RedisConnectionError("the connection broke; positions are read again before anything is written")
