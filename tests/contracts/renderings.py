"""The same updates through the Redis script and through the rule in Python."""

from lambda_core.schemas.messages import Update
from lambda_core.views.script import MERGE, Scripts
from lambda_core.views.speed import SeenKeys, SpeedHash
from tests.contracts.rows import EPOCH
from tests.laws.worlds import DUPLICATE_HORIZON_MS, PERIOD_MS


def by_script(client, scripts: Scripts, updates: list[Update], batch: int) -> list[int]:
    """Apply the updates as the merge worker does: in one pipeline a batch, in the order of the log."""
    client.sadd(scripts.keys.mark, EPOCH)
    script, counts = client.register_script(MERGE), [0, 0, 0, 0]
    for first in range(0, len(updates), batch):
        with client.pipeline(transaction=False) as pipeline:
            for call in scripts.merge_calls(updates[first : first + batch]):
                script(keys=call.keys, args=call.args, client=pipeline)
            for reply in pipeline.execute():
                counts = [total + one for total, one in zip(counts, reply, strict=True)]
    return counts


def by_python(group, updates: list[Update], ring: int) -> tuple[dict[int, SpeedHash], list[int]]:
    """The same by the rule itself: one hash a period, one memory of unique keys."""
    hashes: dict[int, SpeedHash] = {}
    seen, counts = SeenKeys(DUPLICATE_HORIZON_MS), {"applied": 0, "fenced": 0, "duplicate": 0}
    for update in updates:
        hash_ = hashes.setdefault(update.append_ms // PERIOD_MS, SpeedHash())
        counts[hash_.apply(group, update, seen, ring)] += 1
    return hashes, [*counts.values(), 0]


def assert_same_bytes(client, scripts: Scripts, hashes: dict[int, SpeedHash]) -> None:
    for period, hash_ in hashes.items():
        stored = client.hgetall(scripts.keys.speed("things", "e", EPOCH, period))
        assert stored == hash_.encode()
        assert SpeedHash.decode(stored) == hash_
    periods = client.zrange(scripts.keys.periods("things", "e", EPOCH), 0, -1)
    assert [int(period) for period in periods] == sorted(hashes)
