"""Kills on purpose: a process of the running system ends in the middle of its work, and is started again.

The moment is drawn at random from the middle of the replay, so that it lies between two checkpoints of the query. What
was under way then is done again after the restart; the fence must count it once, which the oracle judges.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing

import psutil
from orjson import loads

from lambda_core.repositories.log import KafkaTopics, consumer
from local_stack.process import Member, find

BEGIN, END = 0.3, 0.6
"""The part of the replay in which processes are killed."""
LATER = 20
"""A kill that was put off is asked for again every so many messages."""


class Kills:
    """Kills each named process once during a replay, and starts it again.

    Attributes:
        moments: messages sent when a process is to be killed -> its name.
        told: what was killed, and when, for the report.
    """

    def __init__(
        self,
        members: dict[str, Member],
        names: Sequence[str],
        messages: int,
        start: Callable[[str], object],
        under_way: Callable[[], bool],
    ) -> None:
        places = sorted(random.SystemRandom().sample(range(int(messages * BEGIN), int(messages * END)), len(names)))
        self.moments = dict(zip(places, names, strict=True))
        self.told: list[str] = []
        self._members, self._start, self._under_way, self._messages = members, start, under_way, messages
        self._due: list[str] = []

    def __call__(self, sent: int) -> None:
        """Kill what is due after so many messages, and start it again at once.

        While nothing is under way yet, a kill would interrupt nothing: it is put off, and asked for again now and then.
        """
        if sent in self.moments:
            self._due.append(self.moments[sent])
        if self._due and (sent in self.moments or sent % LATER == 0) and self._under_way():
            self._kill_due(sent)

    def finish(self, seconds: float = 120.0) -> None:
        """Kill what is still due at the end of the replay, as soon as something is under way."""
        end = time.monotonic() + seconds
        while self._due and not self._under_way():
            if time.monotonic() > end:
                raise RuntimeError(
                    f"kills of {', '.join(self._due)}: expected updates within {seconds:g} s, found none"
                )
            time.sleep(0.1)
        self._kill_due(self._messages)

    def _kill_due(self, sent: int) -> None:
        for name in self._due:
            kill(self._members[name])
            self._start(name)
            self.told.append(f"{name} after {sent:,} of {self._messages:,} messages")
        self._due = []


def kill(member: Member) -> None:
    """End a process and everything it started by SIGKILL: nothing of it can finish what it was doing."""
    process = find(member)
    if process is None:
        raise RuntimeError(f"{member.name}: expected it to run with pid {member.pid}, found it ended; {member.log}")
    family = [*process.children(recursive=True), process]
    for one in family:
        one.kill()
    psutil.wait_procs(family, timeout=10)


def updates_sent(servers: str, topic: str) -> int:
    """Return how many messages a topic has."""
    return sum(KafkaTopics(servers).ends(topic).values())


def repeated_updates(servers: str, topic: str) -> int:
    """Return how many of a topic's updates say again what another one said before them.

    An update is of one event (its partition and offset) for one feature group and entity; only the first may count.
    """
    ends = KafkaTopics(servers).ends(topic)
    seen: set[tuple[str, str, int, int]] = set()
    with closing(consumer(servers, topic, dict.fromkeys(ends, 0))) as reading:
        read = 0
        while read < sum(ends.values()):
            for message in reading.consume(10_000, timeout=1):
                update = loads(message.value() or b"")
                seen.add((update["group"], update["entity"], update["partition"], update["offset"]))
                read += 1
    return read - len(seen)
