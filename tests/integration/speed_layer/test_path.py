"""From a topic to merged features and scores, over real servers, with what goes wrong on the way."""

import json
import os
import random
import signal
import subprocess
import sys
from collections import defaultdict
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest
import tenacity
from speed_shop import T0, Order, plain_features, publish_empty_view, shop_context

from demo.kills import UnderWay, repeated_updates
from lambda_core.errors import KafkaError, StoreError
from lambda_core.repositories.log import KafkaTopics, consumer, producer
from lambda_core.repositories.store import connect
from lambda_core.repositories.view_store import ViewStore
from lambda_core.schemas.messages import QUARANTINE, SCORES, UPDATES, Quarantined, Score, topic
from lambda_core.schemas.tables import raw
from lambda_core.views.answering import Answerer, Question
from speed_layer import checkpoint
from speed_layer.ingestion import start_raw_writers
from speed_layer.merging import run_merge
from speed_layer.preparation import start_query
from speed_layer.scoring import run_score

soon = tenacity.retry(stop=tenacity.stop_after_delay(60), wait=tenacity.wait_fixed(0.1), reraise=True)
BROKEN = b'{"id": "x", "amou\xff'
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from speed_shop import shop_context
from speed_layer.merging import run_merge
from speed_layer.preparation import start_query
context = shop_context(Path(sys.argv[2]), sys.argv[3], sys.argv[4], name=sys.argv[5])
"""
QUERY = "start_query(context).awaitTermination()"
MERGE = "run_merge(context)"


def all_of(context, name, kind):
    """Return every message of one of the project's own topics."""
    ends = KafkaTopics(context.environment.kafka).ends(name)
    client = consumer(context.environment.kafka, name, dict.fromkeys(ends, 0))
    found = []
    while len(found) < sum(ends.values()):
        found += client.consume(100, 0.2)
    client.close()
    return [msgspec.json.decode(message.value(), type=kind) for message in found]


@contextmanager
def process(context, what):
    """Run a part of the speed layer in a process of its own, and end it and all that it started by SIGKILL."""
    arguments = (str(Path(__file__).parent), str(context.environment.state), context.environment.kafka)
    url = context.environment.redis.get_secret_value()
    command = [sys.executable, "-c", PROGRAM + what, *arguments, url, context.project.project]
    running = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path.cwd())}, start_new_session=True)
    try:
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
        running.wait()


class Replay:
    """Orders in disorder, with late ones, copies, and a broken record in the middle."""

    def __init__(self, context):
        self.context = context
        self.log = producer(context.environment.kafka)
        self.draw = random.Random(7)
        self.by_customer = defaultdict(list)
        self.sent = []

    def send(self, rows):
        for _ in range(rows):
            order = Order(
                f"c{self.draw.randrange(5)}",
                self.draw.randrange(10_000),
                T0 + self.draw.randrange(7_200_000),
                len(self.sent),
            )
            self.by_customer[order.customer].append(order)
            self._produce(self.record(order))
        self.log.flush()

    def record(self, order):
        return json.dumps(
            {
                "id": f"o{order.offset}",
                "customer": order.customer,
                "amount": f"{order.cents / 100:.2f}",
                "weight": order.cents / 7,
                "at": order.at_ms,
            }
        ).encode()

    def send_raw(self, value):
        self._produce(value)
        self.log.flush()

    def _produce(self, value):
        self.log.produce(f"{self.context.project.project}.orders", value, partition=0)
        self.sent.append(value)


def assert_equal_to_plain(context, replay):
    definition = context.definition
    views = ViewStore(connect(context.environment.redis.get_secret_value()), context.keys)
    answerer = Answerer(definition, views)
    for customer, orders in replay.by_customer.items():
        t_ms = max(order.at_ms for order in orders) + 1
        answer = answerer.merged(Question("order", t_ms, {"orders_by_customer": customer}, {}))
        expected = plain_features(orders, t_ms)
        assert {name: answer.values[name] for name in expected} == expected
        assert answer.source == "merged"


@pytest.fixture
def context(tmp_path, broker, store, spark):
    context = shop_context(tmp_path, broker.address, store.url, spark)
    KafkaTopics(broker.address).create({f"{context.project.project}.orders": 1})
    return context


@pytest.mark.slow
@pytest.mark.servers
def test_what_goes_through_the_query_and_the_workers_equals_a_plain_loop_through_kills(context):
    replay = Replay(context)
    replay.send(60)
    replay.send_raw(BROKEN)
    copy = replay.by_customer["c1"][0]
    replay.send_raw(replay.record(copy))
    publish_empty_view(context)
    with ExitStack() as running:
        running.callback(start_raw_writers(context)[0].stop)
        with process(context, QUERY):
            with process(context, MERGE):
                something_is_merged(context)
                replay.send(30)
            something_is_under_way(context, replay)
        replay.send(30)
        running.callback(start_query(context).stop)
        with process(context, MERGE) as second:
            soon(assert_equal_to_plain)(context, replay)
            second.terminate()
            assert second.wait(5) == 0
        some_updates_came_twice(context)
        soon(one_record_is_quarantined)(context)
        soon(raw_holds)(context, replay.sent)
        scores_stand_once(context, replay)


@soon
def something_is_merged(context):
    client = connect(context.environment.redis.get_secret_value())
    assert client.keys(f"ms:{context.project.project}:*:s:*")


def something_is_under_way(context, replay):
    """Send more, until there are updates since the query's newest checkpoint."""
    own = topic(context.project.project, UPDATES)
    under_way = UnderWay(context.environment.kafka, own, context.environment.checkpoints / checkpoint.QUERY)

    @soon
    def sent_since():
        replay.send(1)
        assert under_way()

    sent_since()


def some_updates_came_twice(context):
    assert repeated_updates(context.environment.kafka, topic(context.project.project, UPDATES)) > 0


def one_record_is_quarantined(context):
    """The broken one, by its place; each of the two queries says so once at most, the killed one not for the other."""
    said = all_of(context, topic(context.project.project, QUARANTINE), Quarantined)
    assert len(said) <= 2
    assert {(one.partition, one.offset, one.excerpt) for one in said} == {(0, 60, '{"id": "x", "amou\ufffd')}


def raw_holds(context, sent):
    """Every record that was sent is in the raw table once, the broken one too, at its offset and to the byte."""
    rows = context.tables.read(raw("orders")).orderBy("offset").collect()
    assert [(row["offset"], bytes(row["value"])) for row in rows] == list(enumerate(sent))
    assert {(row["origin"], row["partition"], row["fingerprint"] is None) for row in rows} == {("log", 0, False)}


def scores_stand_once(context, replay):
    """Every asking order is scored once by the default (no model is deployed), also when requests are read again."""
    stop = Event()
    asked = sum(order.cents >= 5_000 for orders in replay.by_customer.values() for order in orders)
    asked += replay.by_customer["c1"][0].cents >= 5_000
    totals = []
    runner = Thread(target=lambda: totals.append(run_score(context, stop=stop)))
    runner.start()

    @soon
    def all_are_scored():
        assert len(all_of(context, topic(context.project.project, SCORES), Score)) >= asked

    all_are_scored()
    stop.set()
    runner.join(5)
    assert not runner.is_alive()
    scores = all_of(context, topic(context.project.project, SCORES), Score)
    assert len({score.prediction_id for score in scores}) == asked
    assert {(score.score, score.model_version, score.answer.source) for score in scores} == {(0.5, None, "default")}
    assert totals[0]["default"] == asked


@pytest.mark.servers
def test_a_worker_without_a_broker_says_where_it_looked_and_what_to_do(tmp_path, store):
    context = shop_context(tmp_path, "127.0.0.1:1", store.url)
    with pytest.raises(KafkaError, match=r"127\.0\.0\.1:1: .*mainstem up"):
        run_merge(context, stop=Event())


@pytest.mark.servers
def test_a_worker_without_redis_says_where_it_looked_and_what_to_do(tmp_path, broker):
    context = shop_context(tmp_path, broker.address, "redis://:secret@127.0.0.1:1/0")
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1.*mainstem up") as caught:
        run_merge(context, stop=Event())
    assert "secret" not in str(caught.value)
