"""What the processes of the speed layer leave in Redis now and then, so that any shell can tell how they fare.

A process's figures live for EXPIRE_S after they were left: who is killed, or stands still, is missing soon. An index keeps
for a day who was there last. Whoever ends in order takes its figures along.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import msgspec

from lambda_core.repositories.store import answering
from speed_layer.monitoring.quarantined import Tally

if TYPE_CHECKING:
    import redis

    from lambda_core.views.keyspace import Keyspace
    from speed_layer.monitoring.measures import Measures

EXPIRE_S = 30
_REMEMBERED_S = 86_400


class PartitionFigures(msgspec.Struct, frozen=True):
    """One partition's figures, as of one worker.

    Attributes:
        position: next offset; None when the worker no longer reads the partition.
        outcomes: outcome -> number of records since the worker's start.
        fresh_p50_ms, fresh_p99_ms: from append to done, over the newest 2,000 records; None when there was none.
        done_ms: when the last batch was done.
    """

    position: int | None
    outcomes: dict[str, int]
    fresh_p50_ms: int | None = None
    fresh_p99_ms: int | None = None
    done_ms: int | None = None


class Figures(msgspec.Struct, frozen=True):
    """What one process left.

    Attributes:
        worker: `speed`, `merge` or `score`. instance: `<host>:<pid>`.
        at_ms: when they were left. waits_for: why it does nothing, as a sentence; empty while it works.
        partitions: of its topic; none for `speed`. quarantined: what `speed` counted.
    """

    worker: str
    instance: str
    started_ms: int
    at_ms: int
    waits_for: str = ""
    partitions: dict[int, PartitionFigures] = {}
    quarantined: Tally | None = None


@dataclass(frozen=True)
class Heard:
    """Who was heard of: a process with its figures, or without where they have expired.

    Attributes:
        at_ms: when it left its last figures.
    """

    worker: str
    instance: str
    at_ms: int
    figures: Figures | None


class FiguresStore:
    """Figures in Redis: one key a process, and an index by time."""

    def __init__(self, client: redis.Redis, keys: Keyspace) -> None:
        self._client = client
        self._keys = keys

    def leave(self, figures: Figures) -> None:
        """Leave figures for EXPIRE_S, and forget who has not been heard of for a day."""
        name = f"{figures.worker}:{figures.instance}"
        with answering(self._client), self._client.pipeline(transaction=False) as pipeline:
            pipeline.set(self._keys.figures(name), msgspec.json.encode(figures), ex=EXPIRE_S)
            pipeline.zadd(self._keys.figures_index, {name: figures.at_ms})
            pipeline.zremrangebyscore(self._keys.figures_index, "-inf", figures.at_ms - _REMEMBERED_S * 1_000)
            pipeline.expire(self._keys.figures_index, _REMEMBERED_S)
            pipeline.execute()

    def withdraw(self, worker: str, instance: str) -> None:
        """Take a process's figures away: it ends in order."""
        name = f"{worker}:{instance}"
        with answering(self._client), self._client.pipeline(transaction=False) as pipeline:
            pipeline.delete(self._keys.figures(name))
            pipeline.zrem(self._keys.figures_index, name)
            pipeline.execute()

    def heard(self) -> list[Heard]:
        """Return everybody who was heard of within a day and did not end in order, the last one first."""
        with answering(self._client):
            index = cast(
                "list[tuple[bytes, float]]", self._client.zrange(self._keys.figures_index, 0, -1, withscores=True)
            )
            names = [(name.decode(), int(at_ms)) for name, at_ms in reversed(index)]
            with self._client.pipeline(transaction=False) as pipeline:
                for name, _ in names:
                    pipeline.get(self._keys.figures(name))
                kept = pipeline.execute()
        return [_heard(name, at_ms, text) for (name, at_ms), text in zip(names, kept, strict=True)]


def instance() -> str:
    """Return this process's name among the others."""
    return f"{socket.gethostname()}:{os.getpid()}"


def partition_figures(measures: Measures) -> dict[int, PartitionFigures]:
    """Return what a worker measured, a partition."""
    return {
        partition: PartitionFigures(
            position=own.position,
            outcomes=dict(own.outcomes),
            fresh_p50_ms=own.freshness_ms(0.5),
            fresh_p99_ms=own.freshness_ms(0.99),
            done_ms=own.done_ms,
        )
        for partition, own in measures.by_partition().items()
    }


def _heard(name: str, at_ms: int, text: bytes | None) -> Heard:
    worker, _, whose = name.partition(":")
    try:
        figures = msgspec.json.decode(text, type=Figures) if text else None
    except msgspec.MsgspecError:  # left by another version
        figures = None
    return Heard(worker, whose, at_ms, figures)
