"""The peer: windowed features by bytewax, run from an environment of its own. A program; no code of ours.

`wax_flow.py KAFKA REDIS TOPIC RECOVERY ADDRESSES PLACE`: count, sum and maximum a shop and tile of five minutes, kept in
bytewax's own state (its windows tell what they hold only once they close), with every update written to the shop's hash in
Redis: `<tile>:n`, `<tile>:s`, `<tile>:m`. State and offsets are kept in the folder RECOVERY every half second. ADDRESSES
are those of all processes, separated by semicolons; this is the PLACEth.
"""

import sys
from datetime import timedelta
from pathlib import Path

import bytewax.operators as op
import orjson
import redis
from bytewax.connectors.kafka import KafkaSource, KafkaSourceMessage
from bytewax.dataflow import Dataflow
from bytewax.outputs import DynamicSink, StatelessSinkPartition
from bytewax.recovery import RecoveryConfig
from bytewax.run import cli_main
from confluent_kafka import OFFSET_BEGINNING

TILE_MS = 300_000
BATCH = 1_000

Window = tuple[int, int, int, int]
"""Tile, count, sum, maximum."""


class HashPartition(StatelessSinkPartition):
    """Writes a batch of updated windows in one round trip."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)

    def write_batch(self, items: list[tuple[str, Window]]) -> None:
        """Write what each window was last."""
        newest = {(shop, window[0]): window for shop, window in items}
        with self._client.pipeline(transaction=False) as pipeline:
            for (shop, tile), (_, n, s, m) in newest.items():
                pipeline.hset(f"peer:{shop}", mapping={f"{tile}:n": n, f"{tile}:s": s, f"{tile}:m": m})
            pipeline.execute()


class HashSink(DynamicSink):
    """One connection a worker."""

    def __init__(self, url: str) -> None:
        self._url = url

    def build(self, _step_id: str, _worker_index: int, _worker_count: int) -> HashPartition:
        """Return a worker's part."""
        return HashPartition(self._url)


def parsed(message: KafkaSourceMessage) -> tuple[str, tuple[int, int]]:
    """Return the shop, and tile and amount of its event."""
    event = orjson.loads(message.value)
    return event["shop"], (event["at"] - event["at"] % TILE_MS, event["amount"])


def folded(state: dict[int, Window] | None, event: tuple[int, int]) -> tuple[dict[int, Window], Window]:
    """Return the shop's windows with the event, and the one that it changed."""
    windows = {} if state is None else state
    tile, amount = event
    _, n, s, m = windows.get(tile, (tile, 0, 0, amount))
    windows[tile] = (tile, n + 1, s + amount, max(m, amount))
    return windows, windows[tile]


def main() -> None:
    """Run until the process is ended."""
    kafka, url, topic, folder, addresses, place = sys.argv[1:]
    flow = Dataflow("bench")
    source = KafkaSource([kafka], [topic], starting_offset=OFFSET_BEGINNING, tail=True, batch_size=BATCH)
    events = op.map("parse", op.input("read", flow, source), parsed)
    op.output("write", op.stateful_map("fold", events, folded), HashSink(url))
    cli_main(
        flow,
        addresses=addresses.split(";"),
        process_id=int(place),
        epoch_interval=timedelta(seconds=0.5),
        recovery_config=RecoveryConfig(Path(folder)),
    )


if __name__ == "__main__":
    main()
