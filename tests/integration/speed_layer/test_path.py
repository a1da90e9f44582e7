"""From a topic to merged features and scores, over real servers, with what goes wrong on the way."""

import json
import os
import random
import signal
import time
from collections import defaultdict
from threading import Event, Thread
from unittest import mock

import msgspec
import pytest
import tenacity
from speed_process import MERGE, QUERY, process
from speed_shop import T0, Order, plain_features, publish_empty_view, shop_context

from demo.kills import UnderWay, repeated_updates
from lambda_core.cleaning import clean, read_fields
from lambda_core.errors import KafkaError, StoreError
from lambda_core.repositories.log import KafkaTopics, consumer, producer
from lambda_core.repositories.store import connect
from lambda_core.repositories.view_store import ViewStore
from lambda_core.schemas.messages import QUARANTINE, SCORES, UPDATES, Quarantined, Score, topic
from lambda_core.schemas.tables import raw
from lambda_core.views.answering import Answerer, Question
from speed_layer import checkpoint
from speed_layer.merging import run_merge
from speed_layer.monitoring import speed_status
from speed_layer.monitoring.figures import FiguresStore
from speed_layer.preparation import run_queries, running
from speed_layer.scoring import run_score

soon = tenacity.retry(stop=tenacity.stop_after_delay(240), wait=tenacity.wait_fixed(0.1), reraise=True)
STOP_S = 30
"""How long whatever runs beside Spark may take to end."""
BROKEN = b'{"id": "x", "amou\xff'
LONGEST = (1_000_000 - 4_256) // 3
"""The longest customer: it stands three times in a request, beside 4,256 bytes of room for all else."""


def all_of(context, name, kind):
    """Return every message of one of the project's own topics."""
    ends = KafkaTopics(context.environment.kafka).ends(name)
    client = consumer(context.environment.kafka, name, dict.fromkeys(ends, 0))
    found = []
    while len(found) < sum(ends.values()):
        found += client.consume(100, 0.2)
    client.close()
    return [msgspec.json.decode(message.value(), type=kind) for message in found]


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

    def send_poison(self):
        """Send what cannot be used; return offset -> what its reason is about. What is at a limit is an order as others."""
        found = {}
        for value, about in self._poison():
            found[len(self.sent)] = about
            self._produce(value)
        longest = Order("x" * LONGEST, 100, T0, len(self.sent))
        self.by_customer[longest.customer].append(longest)
        self._produce(self.record(longest))
        self._produce(json.dumps({"id": "nobody's", "customer": None, "amount": 1, "at": T0}).encode())
        self.log.flush()
        return found

    def _poison(self):
        order = {"id": "p", "customer": "c1", "amount": "1", "at": T0}
        changes = [
            ({"id": None}, "id"),
            ({"amount": "many"}, "amount"),
            ({"amount": "-0.01"}, "amount"),
            ({"weight": "NaN"}, "weight"),
            ({"weight": "-Infinity"}, "weight"),
            ({"weight": {"kg": 1}}, "weight"),
            ({"at": "noon"}, "at"),
            ({"at": 2**63}, "at"),
            ({"at": 1_577_836_799_999}, "ordered"),  # the last millisecond of 2019
            ({"at": self.context.clock.now_ms() + 86_400_000}, "ordered"),
            ({"weight": float("nan")}, "record"),  # no JSON
            ({"customer": "x" * (LONGEST + 1)}, "record"),
        ]
        texts = [BROKEN, b"", None, b"[1]", b'{"id": "p"} x', b'"text"']
        yield from ((text, "record") for text in texts)
        yield from ((json.dumps(order | change).encode(), about) for change, about in changes)
        yield b'{"id": "p", "at": %d, "weight": 1e999}' % T0, "weight"

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
    poison = replay.send_poison()
    copy = replay.by_customer["c1"][0]
    replay.send_raw(replay.record(copy))
    publish_empty_view(context)
    with process(context, QUERY):
        with process(context, MERGE):
            something_is_merged(context)
            replay.send(30)
        something_is_under_way(context, replay)
    replay.send(30)
    with process(context, MERGE) as second:

        def equal_and_accounted():
            soon(assert_equal_to_plain)(context, replay)
            second.terminate()
            assert second.wait(STOP_S) == 0
            some_updates_came_twice(context)
            soon(poison_is_quarantined)(context, poison)
            soon(raw_holds)(context, replay.sent)
            batch_refuses_the_same(context)
            soon(status_tells)(context, replay, poison)

        queries_run_until_a_signal(context, equal_and_accounted)
    scores_stand_once(context, replay)


def queries_run_until_a_signal(context, meanwhile):
    """Run all queries as `mainstem speed` does, with this beside them, and end them by SIGTERM in less than 30 seconds."""
    found, ends_ns = [], []
    own = [(number, signal.getsignal(number)) for number in (signal.SIGTERM, signal.SIGINT)]
    signal.signal(signal.SIGTERM, lambda *_: None)

    def beside():
        try:
            soon(speed_is_heard_of)(context)
            meanwhile()
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            found.append(error)
        ends_ns.append(time.monotonic_ns())
        os.kill(os.getpid(), signal.SIGTERM)

    thread = Thread(target=beside)
    thread.start()
    try:
        with mock.patch.object(running, "STOP_S", STOP_S):  # or a busy machine costs all tests the JVM that they share
            run_queries(context)
    finally:
        for number, handler in own:
            signal.signal(number, handler)
    thread.join()
    for error in found:
        raise error
    assert time.monotonic_ns() - ends_ns[0] < 30e9
    assert context.spark.streams.active == []
    heard = FiguresStore(context.redis, context.keys).heard()
    assert {one.worker for one in heard if one.figures} <= {"merge"}  # the killed one, as long as its figures live


def speed_is_heard_of(context):
    assert [one.worker for one in FiguresStore(context.redis, context.keys).heard() if one.worker == "speed"]


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


def poison_is_quarantined(context, poison):
    """Every broken record, by its place, reason and first kilobyte; as often as the two queries said so."""
    said = all_of(context, topic(context.project.project, QUARANTINE), Quarantined)
    assert {one.offset: one.reasons[0].partition(":")[0] for one in said} == poison
    assert {one.partition for one in said} == {0}
    assert len(said) <= 2 * len(poison)
    excerpts = {one.offset: one.excerpt for one in said}
    assert excerpts[60] == '{"id": "x", "amou\ufffd'
    assert max(map(len, excerpts.values())) == 1_024


def batch_refuses_the_same(context):
    """What the batch side cannot use, and why, is what the query said: one rule."""
    records = context.tables.read(raw("orders")).select("value", "partition", "offset", "append_time_ms")
    cleaned = clean(context.project, "orders", read_fields(context.project.sources["orders"], records), {})
    rows = cleaned.where("size(reasons) > 0").select("offset", "reasons").collect()
    said = all_of(context, topic(context.project.project, QUARANTINE), Quarantined)
    assert {row["offset"]: list(row["reasons"]) for row in rows} == {one.offset: one.reasons for one in said}


def status_tells(context, replay, poison):
    """Where query and writer stand by their checkpoints, and how many records are quarantined, each once."""
    rows = {(row.reader, row.name): row for row in speed_status(context).rows}
    for reader in ("query", "raw"):
        row = rows[reader, "orders"]
        assert (row.position, row.end, row.lag_records, row.lag_seconds) == (len(replay.sent), len(replay.sent), 0, 0.0)
    assert rows["query", "orders"].quarantined == len(poison)


def raw_holds(context, sent):
    """Every record that was sent is in the raw table once, the broken one too, at its offset and to the byte."""
    rows = context.tables.read(raw("orders")).orderBy("offset").collect()
    assert [(row["offset"], row["value"] and bytes(row["value"])) for row in rows] == list(enumerate(sent))
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
    runner.join(STOP_S)
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
