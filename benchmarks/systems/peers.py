"""The peers as processes: stock PySpark from our lock, the others from environments of their own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from benchmarks.systems.events import HOUR_MS, TILE_MS
from benchmarks.systems.processes import BUILD, ROOT, Program, Servers, python

if TYPE_CHECKING:
    from collections.abc import Sequence

    from benchmarks.systems.events import Features

HERE = Path(__file__).parent
PINNED = {
    "quixstreams": ("quixstreams==3.28.1", "confluent-kafka==2.12.2", "redis==8.1.0", "hiredis==3.5.0"),
    "bytewax": (
        "bytewax[kafka]==0.21.1",
        "confluent-kafka==2.16.1",
        "orjson==3.11.3",
        "redis==8.1.0",
        "hiredis==3.5.0",
    ),
    "feast": ("feast==0.67.0",),
    "deltalake": ("deltalake==1.6.6", "polars==2.1.0", "pyarrow==25.0.1"),
}


class Peer:
    """A peer: its topic, its database in the store, and the processes that it is run by."""

    def __init__(self, name: str, servers: Servers, commands: Sequence[list[str]], database: int) -> None:
        self.name = name
        self.topic = f"{name}.orders"
        self._servers = servers
        self._commands = commands
        self._programs: list[Program] = []
        self.reader = PeerReader(database_of(servers, database))

    def start(self) -> None:
        """Start its processes."""
        for place, command in enumerate(self._commands):
            folder = self._servers.folder / f"{self.name}{place}"
            folder.mkdir(exist_ok=True)
            self._programs.append(Program(f"{self.name}{place}", command, folder))

    def programs(self) -> Sequence[Program]:
        """Return what runs."""
        return self._programs

    def stop(self) -> None:
        """End them."""
        for program in self._programs:
            program.end()
        self._programs = []


class PeerReader:
    """What a client of a peer reads: the shop's hash, one command each, in one round trip."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def positions(self, shops: Sequence[str]) -> list[dict[int, int]]:
        """Return of each shop: source partition -> greatest offset that the hash holds."""
        return [
            {int(name[2:]): int(value) for name, value in fields.items() if name.startswith(b"p:")}
            for fields in self._hashes(shops)
        ]

    def features(self, shops: Sequence[str], t_ms: int) -> list[Features]:
        """Return of each shop its features at `t_ms`."""
        return [_features(fields, t_ms) for fields in self._hashes(shops)]

    def _hashes(self, shops: Sequence[str]) -> list[dict[bytes, bytes]]:
        with self._client.pipeline(transaction=False) as pipeline:
            for shop in shops:
                pipeline.hgetall(f"peer:{shop}")
            return pipeline.execute()


def stock(servers: Servers, database: int, max_offsets: int | None = None) -> Peer:
    """Return stock PySpark: `foreachBatch`, of all there is or of at most so many records a batch."""
    name = "stock" if max_offsets is None else f"stock{max_offsets}"
    jars = ":".join(str(jar) for jar in sorted((ROOT / ".jars" / "spark").glob("*.jar")))
    checkpoint = str(servers.folder / f"{name}-checkpoint")
    words = [servers.kafka, database_of(servers, database), f"{name}.orders", checkpoint, jars]
    limit = [] if max_offsets is None else [str(max_offsets)]
    return Peer(name, servers, [python(str(HERE / "stock_query.py"), *words, *limit)], database)


def quixstreams(servers: Servers, database: int, processes: int) -> Peer:
    """Return quixstreams: so many processes of one consumer group."""
    program = [environment("quixstreams"), str(HERE / "quix_app.py")]
    words = [servers.kafka, database_of(servers, database), "quixstreams.orders"]
    return Peer("quixstreams", servers, [[*program, *words]] * processes, database)


def bytewax(servers: Servers, database: int, addresses: Sequence[str]) -> Peer:
    """Return bytewax: a cluster of one process an address, with its recovery store."""
    folder = servers.folder / "bytewax-recovery"
    folder.mkdir()
    subprocess.run([environment("bytewax"), "-m", "bytewax.recovery", str(folder), str(len(addresses))], check=True)
    program = [environment("bytewax"), str(HERE / "wax_flow.py")]
    words = [servers.kafka, database_of(servers, database), "bytewax.orders", str(folder), ";".join(addresses)]
    return Peer("bytewax", servers, [[*program, *words, str(place)] for place in range(len(addresses))], database)


def database_of(servers: Servers, database: int) -> str:
    """Return the URL of a numbered database of the store."""
    return f"{servers.redis.rsplit('/', 1)[0]}/{database}"


def environment(name: str) -> str:
    """Return the Python of a peer's own environment, made with its pinned packages where it is not there yet."""
    folder = BUILD / name
    made = folder / "made.txt"
    wanted = "\n".join(PINNED[name])
    if not made.exists() or made.read_text() != wanted:
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        subprocess.run([str(folder / "bin" / "python"), "-m", "pip", "install", "-q", *PINNED[name]], check=True)
        made.write_text(wanted)
    return str(folder / "bin" / "python")


def _features(fields: dict[bytes, bytes], t_ms: int) -> Features:
    count, total, greatest = 0, 0, None
    for tile in range((t_ms - HOUR_MS) // TILE_MS * TILE_MS, t_ms, TILE_MS):
        if f"{tile}:n".encode() in fields:
            count += int(fields[f"{tile}:n".encode()])
            total += int(fields[f"{tile}:s".encode()])
            own = int(fields[f"{tile}:m".encode()])
            greatest = own if greatest is None else max(greatest, own)
    return count, total if count else None, greatest
