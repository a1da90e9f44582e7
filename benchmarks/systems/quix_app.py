"""The peer: windowed features by quixstreams, run from an environment of its own. A program; no code of ours.

`quix_app.py KAFKA REDIS TOPIC`: count, sum and maximum a shop and tile of five minutes, kept in quixstreams' own state, with
every updated window written to the shop's hash in Redis: `<tile>:n`, `<tile>:s`, `<tile>:m`.
"""

import sys
from typing import Any

import quixstreams.dataframe.windows.aggregations as agg
import redis
from quixstreams import Application
from quixstreams.sinks import BatchingSink, SinkBatch

TILE_MS = 300_000


class HashSink(BatchingSink):
    """Writes the windows of a checkpoint in one round trip, as quixstreams' own sink for Redis does."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._client = redis.Redis.from_url(url)

    def write(self, batch: SinkBatch) -> None:
        """Write what each window was last."""
        newest = {(item.key, item.value["start"]): item.value for item in batch}
        with self._client.pipeline(transaction=True) as pipeline:
            for (shop, tile), window in newest.items():
                fields = {f"{tile}:{name}": window[name] for name in "nsm"}
                pipeline.hset(f"peer:{shop.decode() if isinstance(shop, bytes) else shop}", mapping=fields)
            pipeline.execute()


def event_time(value: dict[str, Any], _headers: Any, _timestamp: float, _kind: Any) -> int:
    """Return the event's own time."""
    return int(value["at"])


def main() -> None:
    """Run until the process is ended."""
    kafka, url, topic = sys.argv[1:]
    app = Application(
        broker_address=kafka,
        consumer_group="bench",
        auto_offset_reset="earliest",
        commit_interval=0.5,
        state_dir="state",
        loglevel="WARNING",
    )
    orders = app.topic(topic, value_deserializer="json", key_deserializer="str", timestamp_extractor=event_time)
    windows = app.dataframe(orders).tumbling_window(TILE_MS, grace_ms=24 * 3_600_000)
    features = windows.agg(n=agg.Count(), s=agg.Sum("amount"), m=agg.Max("amount")).current()
    features.sink(HashSink(url))
    app.run()


if __name__ == "__main__":
    main()
