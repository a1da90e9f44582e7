"""A Redis that hangs, dies and comes back under workers in processes of their own: they wait, keep little, and catch up."""

import os
import signal
import time
from contextlib import contextmanager

import msgspec
import psutil
import pytest
import tenacity
from speed_messages import GROUP, orders, own_topics, request, send, update
from speed_process import MERGE, SCORE, process
from speed_shop import publish_empty_view, shop_context

from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.repositories.store import connect
from lambda_core.schemas.messages import REQUESTS, SCORES, UPDATES, Score, topic
from lambda_core.views.speed import SpeedHash
from local_stack.ports import free_port
from local_stack.store import Store

pytestmark = pytest.mark.servers
soon = tenacity.retry(stop=tenacity.stop_after_delay(120), wait=tenacity.wait_fixed(0.1), reraise=True)
MEGABYTE = 2**20
ROOM = 96 * MEGABYTE
"""What a worker may grow by, of 160 that wait: the client's queue of 16, and one batch, as the client and Python keep it."""
STOP_S = 30


@pytest.fixture
def redis_server(tmp_path):
    server = Store(tmp_path / "store", free_port())
    server.start()
    server.wait_ready()
    yield server
    os.kill(server.pid, signal.SIGCONT)
    server.kill()


@pytest.fixture
def context(tmp_path, broker, redis_server):
    context = shop_context(tmp_path, broker.address, redis_server.url)
    own_topics(context)
    publish_empty_view(context)
    return context


@contextmanager
def hanging(server):
    """Let the server stand still, its connections open."""
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


class Merging:
    """Updates of one customer, each applied once."""

    what, kind = MERGE, UPDATES

    def __init__(self, context):
        self.context, self.sent = context, 0

    def messages(self, number):
        self.sent += number
        return [update(self.context, one) for one in orders(self.sent - number, self.sent)]

    def large(self):
        """A message of another definition: it is read, counted and left out."""
        return msgspec.json.encode(
            {**msgspec.json.decode(update(self.context, *orders(0, 1))), "definition": "x" * 400_000}
        )

    @soon
    def all_is_done(self):
        client = connect(self.context.environment.redis.get_secret_value())
        found = [SpeedHash.decode(client.hgetall(key)) for key in client.keys(f"*{{{GROUP}:ann}}:s:*")]
        client.close()
        group = self.context.definition.groups[GROUP]
        tiles = [row for one in found for (hop_ms, _), row in one.tiles.items() if hop_ms == group.hops_ms[0]]
        counted = [int(row[0]) for row in [*tiles, *(row for one in found for _, row in one.singles)]]
        assert group.slots[0].aggregation.name == "count"
        assert sum(counted) == self.sent


class Scoring:
    """Requests, each scored once; on the topic every score at least once."""

    what, kind = SCORE, REQUESTS

    def __init__(self, context):
        self.context, self.sent = context, 0

    def messages(self, number):
        self.sent += number
        return [request(self.context, offset) for offset in range(self.sent - number, self.sent)]

    def large(self):
        """A request of a model that is not declared: it is read, counted and left out."""
        return msgspec.json.encode({**msgspec.json.decode(request(self.context, 0)), "model": "x" * 400_000})

    @soon
    def all_is_done(self):
        client = connect(self.context.environment.redis.get_secret_value())
        kept = client.keys(f"ms:{self.context.project.project}:score:*")
        client.close()
        assert len(kept) == self.sent
        ends = KafkaTopics(self.context.environment.kafka).ends(topic(self.context.project.project, SCORES))
        assert sum(ends.values()) >= self.sent


@pytest.mark.slow
@pytest.mark.parametrize("kind", [Merging, Scoring])
def test_a_worker_outlives_a_redis_that_hangs_dies_and_comes_back(context, redis_server, tmp_path, kind):
    work, log = kind(context), tmp_path / "worker.log"
    with process(context, work.what, log) as worker:
        send(context, work.kind, work.messages(1_000))
        work.all_is_done()
        usual = psutil.Process(worker.pid).memory_info().rss

        with hanging(redis_server):
            with a_wait(log):
                send(context, work.kind, [*work.messages(1_000), *[work.large()] * 400])
            assert psutil.Process(worker.pid).memory_info().rss < usual + ROOM
        work.all_is_done()
        assert psutil.Process(worker.pid).memory_info().rss < usual + ROOM

        redis_server.kill()
        with a_wait(log):
            send(context, work.kind, work.messages(1_000))
        redis_server.start()
        redis_server.wait_ready()
        work.all_is_done()
        assert worker.poll() is None  # it was one process all the time

        with hanging(redis_server):
            with a_wait(log):
                send(context, work.kind, work.messages(10))
            begun = time.monotonic()
            worker.terminate()
            assert worker.wait(STOP_S) == 0
            assert time.monotonic() - begun < STOP_S
    with process(context, work.what, log):
        work.all_is_done()


@contextmanager
def a_wait(log):
    """Return when the worker has said, since the begin of the block, that it waits."""

    def told():
        return log.read_text().count("worker waits for its servers")

    before = told()
    yield

    @soon
    def told_again():
        assert told() > before

    told_again()


def test_a_broker_that_does_not_acknowledge_scores_is_asked_again_without_piling_them_up(context, monkeypatch):
    from speed_layer.positions import Positions
    from speed_layer.scoring import outbox as module

    nobody = "127.0.0.1:1"
    monkeypatch.setattr(module, "ACKNOWLEDGED_S", 0.05)
    monkeypatch.setattr(module, "producer", lambda _: producer(nobody))
    positions = Positions(
        context.keys, KafkaTopics(context.environment.kafka), topic(context.project.project, REQUESTS)
    )
    outbox = module.ScoreOutbox(context, positions)
    score = msgspec.convert(
        {
            "prediction_id": "p", "model": "returns", "model_version": None, "partition_key": "c", "score": 0.5,
            "answer": {"t_ms": 0, "feature_set": "order", "feature_set_id": "f", "source": "default", "values": {}},
            "append_ms": 0, "scored_ms": 0,
        },
        Score,
    )  # fmt: skip
    for _ in range(5):
        outbox.open()
        with pytest.raises(module.KafkaError, match="expected 50 scores acknowledged"):
            outbox.send([score] * 50)
        assert len(outbox._producer) < 100
