"""Kills on purpose: a process of the running system ends in the middle of its work, and is started again.

The moment is drawn at random from the middle of the replay, so that it lies between two checkpoints of the query. What
was under way then is done again after the restart; the fence must count it once, which the oracle judges.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path

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


class UnderWay:
    """Tells whether the query has sent updates that it would send again, were it killed now.

    These are the ones since its newest checkpoint. Updates are counted after a checkpoint was seen, so that some which
    came after it may be taken for older: then it is a moment later that something is under way.
    """

    def __init__(self, servers: str, topic: str, checkpoint: Path) -> None:
        self._servers, self._topic, self._commits = servers, topic, checkpoint / "commits"
        self._seen: set[str] | None = None
        self._covered = 0

    def __call__(self) -> bool:
        """Return whether there are any; the first answer after a checkpoint is no."""
        commits = self._names()
        sent = updates_sent(self._servers, self._topic)
        if commits != self._seen:
            self._seen, self._covered = commits, sent
        return sent > self._covered and commits == self._names()

    def _names(self) -> set[str]:
        return {path.name for path in self._commits.glob("[0-9]*")}


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
        read, end = 0, sum(ends.values())
        while read < end:
            for message in reading.consume(10_000, timeout=1):
                update = loads(message.value() or b"")
                seen.add((update["group"], update["entity"], update["partition"], update["offset"]))
                read += 1
    return read - len(seen)
