"""The store: one Redis server on loopback that forgets nothing it has acknowledged when its process is killed."""

from __future__ import annotations

import os
import shutil

import redis

from local_stack.ports import LOOPBACK
from local_stack.server import Server, ServerError

USUAL_PORT = 6379


class Store(Server):
    """A Redis server with an append-only file, which refuses writes rather than evict when its memory is full."""

    name = "store"

    @property
    def address(self) -> str:
        """The address as Redis clients take it."""
        return f"redis://{LOOPBACK}:{self.port}/0"

    @property
    def url(self) -> str:
        """The same as `address`: the name that Redis clients have for it."""
        return self.address

    def _prepare(self) -> None:
        (self.folder / "data").mkdir(exist_ok=True)

    def _command(self) -> list[str]:
        return [_redis_server(), *(part for key, value in self._settings().items() for part in (f"--{key}", value))]

    def _settings(self) -> dict[str, str]:
        return {
            "bind": LOOPBACK,
            "port": str(self.port),
            "dir": str(self.folder / "data"),
            "maxmemory-policy": "noeviction",
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "daemonize": "no",
        }

    def _answers(self) -> bool:
        try:
            with redis.Redis(host=LOOPBACK, port=self.port, socket_timeout=2, socket_connect_timeout=2) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False  # refused, or still loading its append-only file


def _redis_server() -> str:
    found = shutil.which("redis-server", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if found is None:
        raise ServerError("store: expected the program redis-server, found none on PATH: run `make setup`")
    return found
