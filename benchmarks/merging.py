"""Updates a second into Redis: the fenced script against unfenced increments, the floor of anything that is exact once.

The peer does what a `foreachBatch` job without fence would do: one HINCRBY an update and slot, pipelined. It counts a
repeated delivery twice; it bounds how fast a store with one round trip for many updates can be.
"""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

import redis

from benchmarks.harness import Row, arguments, interleaved, publish
from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.merge_store import MergeStore
from lambda_core.schemas.messages import Update
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.speed import SpeedHash, states_of
from local_stack.ports import free_port
from local_stack.store import Store

PROJECT = {
    "project": "bench",
    "sources": {
        "orders": {
            "topic": "bench.orders",
            "columns": {"shop": {"type": "string"}, "amount": {"type": "integer"}},
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
        }
    },
    "entities": {"shop": {"keys": ["shop"]}},
    "feature_groups": {
        "orders_by_shop": {
            "source": "orders",
            "entity": "shop",
            "features": [{"column": "amount", "aggregations": ["mean", "max"], "windows": ["2h", "1d", "30d"]}],
        }
    },
}
EPOCH_MS = 1_700_000_000_000


def updates_of(number: int, entities: int) -> list[Update]:
    """Return seeded updates of one source partition, in the order of the log."""
    draw = random.Random(7)
    made = []
    for offset in range(number):
        amount = draw.randrange(1_000)
        event_ms = EPOCH_MS + offset * 50 - draw.randrange(600_000)
        row = ["1", str(amount), str(amount)]
        shop = str(draw.randrange(entities))
        made.append(Update("d", "orders_by_shop", shop, 0, offset, EPOCH_MS + offset, event_ms, row))
    return made


def main() -> None:
    """Measure, compare the counts, print and write the rows."""
    chosen = arguments(__doc__ or "")
    number, rounds = (20_000, 3) if chosen.quick else (100_000, 5)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        server = Store(Path(folder), free_port())
        server.start()
        server.wait_ready()
        try:
            for entities in (10, 1_000):
                rows.append(measure(redis.Redis.from_url(server.url), updates_of(number, entities), entities, rounds))
        finally:
            server.stop()
    publish(rows, chosen.json)


def measure(client: redis.Redis, updates: list[Update], entities: int, rounds: int) -> Row:
    """Return the row for one number of entities."""
    definition = compile_definition(Project.model_validate(PROJECT))
    keys, group, epoch = Keyspace("bench"), definition.groups["orders_by_shop"], f"{definition.id}.0"
    store = MergeStore(client, keys, definition)
    chunks = [updates[at : at + 500] for at in range(0, len(updates), 500)]

    def fenced() -> int:
        client.flushall()
        client.sadd(keys.mark, epoch)
        for chunk in chunks:
            store.apply(epoch, chunk)
        total = 0
        for name in client.scan_iter(match="*:s:*", count=10_000):
            speed = SpeedHash.decode(client.hgetall(name))
            whole = [row for (hop_ms, _), row in speed.tiles.items() if hop_ms == group.hops_ms[0]]
            states = states_of(group, [*whole, *(row for _, row in speed.singles)])
            total += states[0][1] if states[0] else 0
        return total

    def unfenced() -> int:
        client.flushall()
        for chunk in chunks:
            with client.pipeline(transaction=False) as pipeline:
                for update in chunk:
                    name = f"u:{update.entity}"
                    for hop_ms in group.hops_ms:
                        tile = update.event_ms - update.event_ms % hop_ms
                        pipeline.hincrby(name, f"{hop_ms}:{tile}:n", 1)
                        pipeline.hincrby(name, f"{hop_ms}:{tile}:s", int(update.row[1]))
                pipeline.execute()
        total = 0
        for name in client.scan_iter(match="u:*", count=10_000):
            fields = client.hgetall(name)
            smallest = str(group.hops_ms[0]).encode()
            total += sum(int(v) for f, v in fields.items() if f.startswith(smallest + b":") and f.endswith(b":s"))
        return total

    ours, peer, equal = interleaved(fenced, unfenced, rounds)
    speeds = len(updates) / ours, len(updates) / peer
    return Row(
        f"merge, {entities} entities",
        speeds[0],
        "HINCRBY, unfenced",
        speeds[1],
        speeds[0] / speeds[1],
        "updates/s",
        equal,
    )


if __name__ == "__main__":
    main()
