"""The loop: what waits or belongs together is followed together, side by side, and kept once all is handled."""

from __future__ import annotations

import importlib
import itertools
from threading import Barrier, Event
from types import SimpleNamespace

import msgspec
import pytest

from batch_layer.ingestion import IngestionReport
from batch_layer.listening import taking
from batch_layer.preparation import PreparationReport
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.errors import StoreError
from lambda_core.schemas.messages import DATA_AVAILABLE, DATA_EXTRACTED, DATA_PREPARED, FEATURES_GENERATED, Said
from tests.unit.batch_layer.listening.test_chain import shop

loop = importlib.import_module("batch_layer.listening.listen")  # the package's own `listen` is the function


def announced(source, **more):
    return msgspec.json.encode(Said(event=DATA_AVAILABLE, source=source, **more))


class Message:
    """A record of the topic's only partition."""

    def __init__(self, value, offset):
        self._value, self._offset = value, offset

    def error(self):
        return None

    def topic(self):
        return "shop.chain"

    def partition(self):
        return 0

    def offset(self):
        return self._offset

    def value(self):
        return self._value


class Topic:
    """Messages in the portions in which they are given out; `stop` is set when there are no more."""

    def __init__(self, *portions):
        self.stop, self.kept = Event(), []
        offsets = itertools.count()
        self._portions = [[Message(value, next(offsets)) for value in portion] for portion in portions]

    def poll(self, _):
        if not self._portions:
            self.stop.set()
            return None
        return self._portions[0].pop(0)

    def consume(self, _, __):
        if not self._portions:
            self.stop.set()
            return []
        return self._portions.pop(0)

    def commit(self, message, asynchronous):
        assert not asynchronous
        self.kept.append(message.offset())

    def close(self):
        pass


def report(stage, sources):
    """Return what a stage would, had it found nothing new."""
    prepared = tuple(SimpleNamespace(source=source, version=1, added=0) for source in sources)
    return {
        "ingestion": IngestionReport((), 0),
        "preparation": PreparationReport(prepared, ()),
        "publishing": SimpleNamespace(generation="g1", tiles={}),
    }[stage]


@pytest.fixture
def follow(monkeypatch, tmp_path):
    """Return a function that listens to a topic until its end, and returns counts and what was said."""
    said = []
    speaker = SimpleNamespace(topic="shop.chain", say=said.append)
    tables = SimpleNamespace(exists=lambda name: name.startswith("prepared"))
    context = assemble(shop(), Environment(state=tmp_path))
    context.builders.update(spark=lambda _: None, tables=lambda _: tables)
    monkeypatch.setattr(loop, "Speaker", lambda _: speaker)

    def until_the_end(topic, stage=report):
        monkeypatch.setattr(loop, "listener", lambda *_: topic)
        stage_of = lambda name, sources, _: lambda _: stage(name, sources)  # noqa: E731
        return loop.listen(context, stage_of, topic.stop), said

    return until_the_end


def test_messages_that_wait_are_ingested_side_by_side_and_end_in_one_publication_that_names_them(follow):
    topic, both = Topic([b"{nonsense", announced("orders"), announced("visits")]), Barrier(2, timeout=20)

    def stage(name, sources):
        assert topic.kept == [], "kept before all was handled"
        if name == "ingestion":
            both.wait()
        return report(name, sources)

    counts, said = follow(topic, stage)

    assert (counts.followed, counts.failed, counts.broken) == (2, 0, 1)
    assert topic.kept == [2]
    extracted = {one.source: one.asked_by for one in said if one.event == DATA_EXTRACTED}
    assert extracted == {"orders": "shop.chain/0/1", "visits": "shop.chain/0/2"}
    (generated,) = [one for one in said if one.event == FEATURES_GENERATED]
    assert (generated.asked_by, generated.also_asked_by) == ("shop.chain/0/2", ["shop.chain/0/1"])


def test_what_is_said_of_a_source_answers_the_message_about_it_first(follow):
    _, said = follow(Topic([announced("orders"), announced("shops")]))

    answered = {one.source: (one.asked_by, one.also_asked_by) for one in said if one.event == DATA_PREPARED}
    orders, shops = "shop.chain/0/0", "shop.chain/0/1"
    assert answered == {"orders": (orders, [shops]), "shops": (shops, [orders])}


def test_messages_announced_together_are_awaited_even_if_they_come_apart(follow):
    pair = {"together": ["orders", "visits"]}
    topic = Topic([announced("orders", **pair)], [], [], [announced("visits", **pair)], [announced("towns")])

    counts, said = follow(topic)

    generated = [(one.source, len(one.also_asked_by)) for one in said if one.event == FEATURES_GENERATED]
    assert generated == [("visits", 1), ("towns", 0)]
    assert (counts.followed, topic.kept) == (3, [1, 2])


def test_a_message_whose_companion_never_comes_is_followed_by_itself_after_a_while(follow, monkeypatch):
    monkeypatch.setattr(taking, "TOGETHER_S", 0)

    counts, said = follow(Topic([announced("orders", together=["orders", "visits"])]))

    assert (counts.followed, said[-1].event) == (1, FEATURES_GENERATED)


def test_a_loop_that_is_stopped_while_a_message_waits_for_another_leaves_it_where_it_is(follow):
    topic = Topic([announced("orders", together=["orders", "visits"])])

    counts, said = follow(topic)

    assert (counts.followed, topic.kept, said) == (0, [], [])


def test_a_server_that_is_away_when_the_loop_is_stopped_leaves_all_messages_where_they_are(follow):
    topic = Topic([announced("orders"), announced("visits")])

    def stage(_, __):
        topic.stop.set()
        raise StoreError("away")

    counts, said = follow(topic, stage)

    assert (counts.followed, counts.failed, topic.kept, said) == (0, 0, [], [])
