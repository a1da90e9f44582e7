"""Batch values: packed and written by executors, read back by executors. The driver sees counts and sums of hashes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from itertools import groupby, islice
from typing import TYPE_CHECKING, cast

import pyarrow as pa
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.repositories.store import answering, connect
from lambda_core.views.packing import Tiles, pack

if TYPE_CHECKING:
    import redis
    from pyspark.sql import DataFrame

    from lambda_core.features.definition import FeatureGroup
    from lambda_core.views.keyspace import Keyspace

_AT_ONCE = 200
"""Keys in one round trip."""
_SUMMARY = "`keys` bigint, bytes bigint, content decimal(38,0)"
_COLUMNS = ("entity", "hop_ms", "tile_start_ms", "row", "last_event_ms")


@dataclass(frozen=True)
class Loaded:
    """What a group's batch values are: how many keys, how many bytes, and the sum of their hashes in any order."""

    keys: int
    bytes: int
    content: int


@dataclass(frozen=True)
class BatchValues:
    """The batch values of one group and generation, in the Redis at `url`."""

    url: str
    keyspace: Keyspace
    group: FeatureGroup
    generation: str

    def __repr__(self) -> str:
        """Return a text without the URL, which may hold a password."""
        return f"BatchValues({self.group.name}, {self.generation})"

    def write(self, tiles: DataFrame) -> Loaded:
        """Pack and write the values of one row a tile; return what was sent."""

        def packed(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            client = connect(self.url)
            pairs = (
                (self.keyspace.batch(self.group.name, entity, self.generation), pack(self.group, last_ms, own))
                for entity, last_ms, own in _entities(batches)
            )
            yield _summary(_write(client, pairs))
            client.close()

        sorted_ = tiles.select(*_COLUMNS).repartition("entity").sortWithinPartitions("entity")
        return _total(sorted_.mapInArrow(packed, _SUMMARY))

    def read_back(self, tiles: DataFrame) -> Loaded:
        """Read the values of every entity of the tiles; return what Redis holds."""

        def found(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
            client = connect(self.url)
            entities = (entity for batch in batches for entity in batch.column(0).to_pylist())
            yield _summary(_read(client, (self.keyspace.batch(self.group.name, e, self.generation) for e in entities)))
            client.close()

        return _total(tiles.select("entity").distinct().mapInArrow(found, _SUMMARY))


def _entities(batches: Iterable[pa.RecordBatch]) -> Iterator[tuple[str, int, Tiles]]:
    """Yield (entity, last event, tiles) from rows that come entity after entity."""
    rows = (row for batch in batches for row in zip(*(column.to_pylist() for column in batch.columns), strict=True))
    for entity, own in groupby(rows, key=lambda row: row[0]):
        tiles: Tiles = {}
        last_ms: int | None = None
        for _, hop_ms, start_ms, row, event_ms in own:
            tiles[hop_ms, start_ms] = row
            last_ms = event_ms if last_ms is None else max(last_ms, event_ms)
        yield entity, cast("int", last_ms), tiles


def _write(client: redis.Redis, pairs: Iterator[tuple[str, bytes]]) -> Iterator[tuple[str, bytes]]:
    while chunk := list(islice(pairs, _AT_ONCE)):
        with answering(client), client.pipeline(transaction=False) as pipeline:
            for key, value in chunk:
                pipeline.set(key, value)
            pipeline.execute()
        yield from chunk


def _read(client: redis.Redis, keys: Iterator[str]) -> Iterator[tuple[str, bytes]]:
    while chunk := list(islice(keys, _AT_ONCE)):
        with answering(client), client.pipeline(transaction=False) as pipeline:
            for key in chunk:
                pipeline.get(key)
            values = pipeline.execute()
        yield from ((key, value) for key, value in zip(chunk, values, strict=True) if value is not None)


def _summary(pairs: Iterable[tuple[str, bytes]]) -> pa.RecordBatch:
    keys = size = content = 0
    for key, value in pairs:
        keys, size = keys + 1, size + len(value)
        named = hashlib.blake2b(value, digest_size=8, key=hashlib.sha256(key.encode()).digest())
        content += int.from_bytes(named.digest(), "big")
    columns = [pa.array([keys], pa.int64()), pa.array([size], pa.int64())]
    return pa.RecordBatch.from_arrays(
        [*columns, pa.array([Decimal(content)], pa.decimal128(38, 0))], names=["keys", "bytes", "content"]
    )


def _total(summaries: DataFrame) -> Loaded:
    found = summaries.agg(F.sum("keys"), F.sum("bytes"), F.sum("content")).first()
    return Loaded(*(int(part or 0) for part in found)) if found else Loaded(0, 0, 0)
