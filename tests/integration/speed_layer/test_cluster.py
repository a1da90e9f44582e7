"""A Redis Cluster of three shards answers as one Redis does, and a shard that lost something alone is noticed."""

import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from many_entities import ENTITIES, LOG, PARTITIONS, Many, Running, events_of, unseen_measures

from batch_layer.publishing.revert import revert
from lambda_core.errors import BehindError, EpochError, GuardError, ServerError, StoreError
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.store import connect, servers_of
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.slots import slot_of
from local_stack.cluster import StoreCluster
from speed_layer.consuming import KafkaRecordLog
from speed_layer.worker import Worker
from tests.laws.worlds import update_of

pytestmark = pytest.mark.servers

ROOT = Path(__file__).parents[3]
HORIZON = 2


def new_name() -> str:
    return f"many{uuid.uuid4().hex[:8]}"


def shard_of(many: Many, entity: str) -> int:
    bounds = [slot for slot, _ in many.client.shards()]
    return sum(slot_of(f"things:{entity}") >= bound for bound in bounds) - 1


def without_pointer(many: Many) -> int:
    """A shard that has not the pointer: with it, more would be lost than data."""
    own = many.client.shard_of(many.keys.pointer).name
    return next(place for place, (_, node) in enumerate(many.client.shards()) if node.name != own)


def on_shard(many: Many, shard: int) -> str:
    return next(entity for entity in ENTITIES if shard_of(many, entity) == shard)


def read(many: Many, entity: str):
    return ViewStore(many.client, many.keys).read([("things", entity)])


class Drained:
    """A worker that is stepped by hand, over all partitions."""

    def __init__(self, many: Many) -> None:
        self.many = many
        self.handler = many.handler(many.target(), unseen_measures())
        self.log = KafkaRecordLog(many.context.environment.kafka, many.topic)
        self.worker = Worker(self.log, self.handler, 500)

    def drain(self) -> None:
        ends = self.many.topics.ends(self.many.topic)
        while self.many.positions() != ends:
            try:
                self.worker.step()
            except ServerError as error:
                LOG.info("again", reason=str(error))


@pytest.fixture
def many(cluster, broker) -> Many:
    return Many(new_name(), broker.address, cluster.address)


@pytest.fixture
def drained(many) -> Iterator[Drained]:
    made = Drained(many)
    yield made
    made.log.close()


def test_workers_that_join_leave_and_are_killed_over_three_shards_answer_as_one_worker_over_one_redis(
    store, cluster, broker
):
    events, name = events_of(1, 1_800), new_name()
    one, three = Many(name, broker.address, store.url), Many(name, broker.address, cluster.address)
    parts = [events[place : place + 300] for place in range(0, len(events), 300)]
    for many in (one, three):
        many.publish(events, HORIZON)

    with Running(one, partitions=list(range(PARTITIONS))), Running(three) as first:
        one.send(parts[0])
        three.wait_for(lambda: first.reads == list(range(PARTITIONS)))
        started = [sys.executable, "-m", "tests.integration.speed_layer.many_entities", name]
        killed = subprocess.Popen([*started, broker.address, cluster.address], cwd=ROOT)
        try:
            one.send(parts[1])
            three.wait_for(lambda: len(first.reads) == PARTITIONS // 2)
            one.send(parts[2])
        finally:
            killed.kill()
            killed.wait()
        with Running(three) as second:
            one.send(parts[3])
            three.wait_for(lambda: len(second.reads) < PARTITIONS)
            one.send(parts[4])
            left = first.leave()
            one.send(parts[5])
            three.wait_for(lambda: second.reads == list(range(PARTITIONS)))
            three.wait_until_drained()
        one.wait_until_drained()

    assert left["applied"] > 0
    assert {shard_of(three, entity) for entity in ENTITIES} == {0, 1, 2}
    expected, found = one.answers(), three.answers()
    assert sum(bool(positions) for _, positions, _ in expected.values()) > len(expected) / 2
    assert found == expected


def test_a_shard_that_was_emptied_alone_is_noticed_and_written_no_more_and_a_new_epoch_answers_as_before(many, drained):
    events = events_of(2, 300)
    epoch = many.publish(events, HORIZON).epoch
    many.send(events)
    drained.drain()
    before = many.answers()
    shard = without_pointer(many)
    lost, other = on_shard(many, shard), on_shard(many, (shard + 1) % 3)
    pointer = PointerRepository(many.client, many.keys).get()
    connected = many.target()
    connected.open()
    (own,) = connected.targets()

    servers_of(many.client)[shard].flushall()

    with pytest.raises(EpochError, match="lacks the mark"):
        read(many, lost)
    assert read(many, other).pointer == pointer
    assert not ViewStore(many.client, many.keys).is_held(pointer.current)
    assert drained.handler.begin() is None
    with pytest.raises(EpochError, match="does not hold epoch"):
        connected.apply(own, {0: [update_of(many.group, event) for event in events]})
    assert not servers_of(many.client)[shard].exists(many.keys.periods("things", lost, own.epoch))
    assert many.publish(events, HORIZON).epoch != epoch
    drained.drain()
    assert many.answers() == before


def test_a_publication_that_lost_some_of_its_values_on_one_shard_is_not_flipped_to(many):
    events = events_of(4, 100)
    many.publish(events, 1)
    pointers = PointerRepository(many.client, many.keys)
    before, shard = pointers.get(), servers_of(many.client)[without_pointer(many)]

    pointers.begin("g99")
    shard.flushall()
    with pytest.raises(StoreError, match="nothing was flipped"):
        pointers.written("g99")
    pointers.begin("g99")
    pointers.written("g99")
    shard.flushall()
    with pytest.raises(StoreError, match="nothing was flipped"):
        pointers.flip(before.encode(), replace(before, current=replace(before.current, generation="g99")), loaded=True)

    assert pointers.get() == before


@pytest.fixture
def own_cluster(tmp_path) -> Iterator[StoreCluster]:
    servers = StoreCluster(tmp_path)
    try:
        servers.start()
        servers.wait_ready()
        yield servers
    finally:
        servers.stop()


def test_a_shard_that_went_back_in_time_alone_is_noticed_and_caught_up_with_or_replaced(own_cluster, store, broker):
    events, name = events_of(6, 900), new_name()
    one, three = Many(name, broker.address, store.url), Many(name, broker.address, own_cluster.address)
    workers = [Drained(one), Drained(three)]
    shard = without_pointer(three)
    lost = on_shard(three, shard)
    data = own_cluster.shards[shard].folder / "data" / "appendonlydir"

    def publish(horizon: int):
        return [many.publish(events, horizon) for many in (one, three)][1]

    def send(part) -> None:
        one.send(part)
        for worker in workers:
            worker.drain()

    def goes_back_to(dump: Path) -> None:
        own_cluster.shards[shard].stop()
        shutil.rmtree(data)
        shutil.copytree(dump, data)
        own_cluster.shards[shard].start()
        own_cluster.wait_ready()

    first = publish(1)
    send(events[:300])
    before_view = shutil.copytree(data, data.parent / "before_view")
    second = publish(2)
    send(events[300:600])
    after_view = shutil.copytree(data, data.parent / "after_view")
    reached = three.positions()
    send(events[600:])

    goes_back_to(after_view)
    assert three.positions() == reached
    with pytest.raises(BehindError, match="was started again"):
        read(three, lost)
    workers[1].drain()
    assert three.answers() == one.answers()

    goes_back_to(before_view)
    with pytest.raises(EpochError, match="lacks the mark"):
        read(three, lost)
    third = publish(2)
    assert (first.epoch, second.epoch) == (third.epoch[:-1] + "0", third.epoch[:-1] + "0")
    assert third.epoch.endswith(".1")
    workers[1].drain()
    found, expected = three.answers(), one.answers()
    assert found == expected

    marks = marks_of(three.client, three.keys)
    held = [marks.holds(view.epoch, view.generation, everywhere=True) for view in (first, second, third)]
    assert held == [False, False, True]  # no pointer names the first, the second was lost on one shard
    with pytest.raises(GuardError, match="expected Redis to hold epoch"):
        revert(SimpleNamespace(redis=three.client, keys=three.keys, log=LOG))
    for worker in workers:
        worker.log.close()


def test_an_address_is_told_without_its_password_and_a_cluster_that_is_away_is_named():
    with pytest.raises(StoreError) as raised:
        connect("redis+cluster://user:secret@127.0.0.1:1,127.0.0.1:2")

    assert "127.0.0.1:1,127.0.0.1:2" in str(raised.value)
    assert "secret" not in str(raised.value)
