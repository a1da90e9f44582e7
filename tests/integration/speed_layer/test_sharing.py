"""Merge workers share the partitions of the updates topic, and nothing rests on who reads what."""

import uuid
from collections.abc import Iterator
from itertools import pairwise

import pytest
import structlog
from many_entities import PARTITIONS, Many, events_of, unseen_measures

from speed_layer.consuming import KafkaRecordLog
from speed_layer.sharing import FixedShare, GroupShare, Share, SharedHandler
from speed_layer.worker import Worker

pytestmark = pytest.mark.servers

INFLOW, CAPACITY, AT_ONCE = 160, 100, 50
"""Updates that come in a round, that one worker takes in a round, and at a time."""


class Stepped:
    """A worker that is stepped by hand."""

    def __init__(self, many: Many, share: Share) -> None:
        self.many, self.share = many, share
        self.log = KafkaRecordLog(many.context.environment.kafka, many.topic)
        self.measures = unseen_measures()
        handler = many.handler(many.target(share), self.measures, self.log.lag)
        self.worker = Worker(self.log, SharedHandler(handler, share), AT_ONCE)

    def take(self, capacity: int) -> int:
        """Take so many updates, or all that there are; return how many."""
        taken = 0
        while taken < capacity and any(lag for p, lag in lags(self.many).items() if self.reads(p)):
            taken += self.worker.step() or 0
        return taken

    def reads(self, partition: int) -> bool:
        return self.share.own is None or partition in self.share.own

    def leave(self) -> None:
        self.log.close()
        self.share.close()


@pytest.fixture
def many(store, broker) -> Many:
    return Many(f"many{uuid.uuid4().hex[:8]}", broker.address, store.url)


@pytest.fixture
def workers(many, broker) -> Iterator[list[Stepped]]:
    """Two members of the group; the second has not been heard of yet."""
    made: list[Stepped] = [Stepped(many, GroupShare(broker.address, many.topic))]
    yield made
    for one in made:
        one.leave()


def lags(many: Many) -> dict[int, int]:
    """Updates of each partition that nobody has applied."""
    ends, reached = many.topics.ends(many.topic), many.positions()
    return {partition: ends[partition] - reached[partition] for partition in ends}


def until(many: Many, workers: list[Stepped], shares: list[int]) -> None:
    """Let the group come to an agreement: so many partitions for each."""

    def agreed() -> bool:
        for one in workers:
            one.share.look()
        return [len(one.share.own or ()) for one in workers] == shares

    many.wait_for(agreed)


def test_the_lag_grows_under_one_worker_falls_when_one_joins_and_grows_again_when_it_leaves(many, workers, broker):
    many.publish([], 0)
    events = iter(events_of(11, 4_000))

    def rounds(number: int) -> list[int]:
        found = []
        for _ in range(number):
            many.send([next(events) for _ in range(INFLOW)])
            for one in workers:
                one.take(CAPACITY)
            found.append(sum(lags(many).values()))
        return found

    until(many, workers, [PARTITIONS])
    alone = rounds(5)
    at_the_join = lags(many)
    workers.append(Stepped(many, GroupShare(broker.address, many.topic)))
    until(many, workers, [PARTITIONS // 2] * 2)
    together = rounds(1)
    while together[-1] and len(together) < 5:
        together += rounds(1)
    while sum(lags(many).values()):
        for one in workers:
            one.take(CAPACITY)
    drained = lags(many)
    workers.pop().leave()
    until(many, workers, [PARTITIONS])
    again = rounds(2)

    structlog.get_logger().info("lag", alone=alone, partitions=at_the_join, together=together, alone_again=again)
    assert all(before < after for before, after in pairwise(alone))
    assert all(before > after for before, after in pairwise([alone[-1], *together]))
    assert all(lag > 0 for lag in at_the_join.values())
    assert len(together) > 1
    assert set(drained.values()) == {0}
    assert 0 < again[0] < again[1]


def test_a_worker_that_was_paused_wakes_up_and_changes_nothing(cluster, broker):
    many = Many(f"many{uuid.uuid4().hex[:8]}", broker.address, cluster.address)
    events = events_of(12, 400)
    many.publish(events, 1)
    many.send(events)
    paused, other = (Stepped(many, FixedShare(None)) for _ in range(2))
    poll = paused.log.poll

    def polls_and_is_paused(limit: int, wait_s: float):
        records = poll(limit, wait_s)
        if records:
            other.take(len(events))
        return records

    paused.log.poll = polls_and_is_paused  # type: ignore[method-assign]
    taken = 0
    while not taken:
        taken = paused.worker.step() or 0
    ends = many.topics.ends(many.topic)
    went_back = many.positions()
    before = many.answers()
    paused.log.poll = poll  # type: ignore[method-assign]
    paused.take(len(events))

    counted = paused.measures.totals
    assert sum(counted[name] for name in ("applied", "duplicates")) == 0
    assert counted["fenced"] + counted["dropped"] >= taken > 0
    assert went_back != ends
    assert many.positions() == ends
    assert many.answers() == before
    for one in (paused, other):
        one.leave()


def test_a_worker_with_partitions_of_its_own_reads_no_others(many):
    many.publish([], 0)
    many.send(events_of(13, 200))
    own = Stepped(many, FixedShare([1]))

    own.take(200)

    ends, found = many.topics.ends(many.topic), many.positions()
    assert found == {partition: ends[partition] if partition == 1 else 0 for partition in range(PARTITIONS)}
    own.leave()
