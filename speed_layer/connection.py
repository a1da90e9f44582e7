"""A connection to Redis that never comes back by itself, so that no lost connection goes unnoticed.

A pool mends an idle connection silently. A worker that wrote on after Redis came back from an older state would lose
what lay between; so here whatever breaks stays broken, and the worker opens anew and reads its positions again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from redis.exceptions import ConnectionError as RedisConnectionError

from lambda_core.repositories.store import answering, connect

if TYPE_CHECKING:
    import redis

ANSWER_S = 2.0
"""How long a worker waits for a reply; with the poll it bounds how soon a worker stops."""


def open_once(url: str) -> redis.Redis:
    """Return a client of one connection, already made; when it breaks, every later command is a StoreError.

    Raises:
        StoreError: when nothing answers there.
    """
    client = connect(url, answer_seconds=ANSWER_S, retries=0)
    pool: Any = client.connection_pool
    pool.connection_kwargs["redis_connect_func"] = _refuse
    with answering(client):
        connection = pool.get_connection()
    connection.redis_connect_func = _refuse
    pool.release(connection)
    return client


def process_id(client: redis.Redis) -> str:
    """Return the id of the server's process; another one than before means that it was started again."""
    with answering(client):
        return str(client.info("server")["run_id"])


def _refuse(_: object) -> None:
    raise RedisConnectionError("the connection broke; positions are read again before anything is written")
