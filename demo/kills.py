"""Kills on purpose: a process of the running system ends in the middle of its work, and is started again.

The moment is drawn at random from the middle of the replay, so that it lies between two checkpoints of the query. What
was under way then is done again after the restart; the fence must count it once, which the oracle judges.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence

import psutil
from confluent_kafka import Consumer, TopicPartition
from orjson import loads

from local_stack.process import Member, find

BEGIN, END = 0.3, 0.6
"""The part of the replay in which processes are killed."""


class Kills:
    """Kills each named process once during a replay, and starts it again.

    Attributes:
        moments: messages sent when a process is killed -> its name.
        told: what was killed, and when, for the report.
    """

    def __init__(
        self, members: dict[str, Member], names: Sequence[str], messages: int, start: Callable[[str], object]
    ) -> None:
        places = sorted(random.SystemRandom().sample(range(int(messages * BEGIN), int(messages * END)), len(names)))
        self.moments = dict(zip(places, names, strict=True))
        self.told: list[str] = []
        self._members, self._start, self._messages = members, start, messages

    def __call__(self, sent: int) -> None:
        """Kill what is due after so many messages, and start it again at once."""
        name = self.moments.get(sent)
        if name is None:
            return
        kill(self._members[name])
        self._start(name)
        self.told.append(f"{name} after {sent:,} of {self._messages:,} messages")


def kill(member: Member) -> None:
    """End a process and everything it started by SIGKILL: nothing of it can finish what it was doing."""
    process = find(member)
    if process is None:
        raise RuntimeError(f"{member.name}: expected it to run with pid {member.pid}, found it ended; {member.log}")
    family = [*process.children(recursive=True), process]
    for one in family:
        one.kill()
    psutil.wait_procs(family, timeout=10)


def repeated_updates(servers: str, topic: str) -> int:
    """Return how many of a topic's updates say again what another one said before them.

    An update is of one event (its partition and offset) for one feature group and entity; only the first may count.
    """
    settings = {"bootstrap.servers": servers, "group.id": "demo-reader", "enable.auto.commit": False}
    consumer = Consumer({**settings, "isolation.level": "read_uncommitted"})
    try:
        partitions = [
            TopicPartition(topic, number, 0) for number in consumer.list_topics(topic).topics[topic].partitions
        ]
        ends = {one.partition: consumer.get_watermark_offsets(one)[1] for one in partitions}
        consumer.assign(partitions)
        seen: set[tuple[str, str, int, int]] = set()
        read = 0
        while any(max(one.offset, 0) < ends[one.partition] for one in consumer.position(partitions)):
            for message in consumer.consume(10_000, timeout=1):
                update = loads(message.value() or b"")
                seen.add((update["group"], update["entity"], update["partition"], update["offset"]))
                read += 1
        return read - len(seen)
    finally:
        consumer.close()
