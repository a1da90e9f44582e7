"""How long it takes from a message's sending until an answer holds it: measured by a client that polls.

A process of its own reads, again and again, how far one (feature group, entity) has got, until its position on the
message's partition is at or past the message's offset. The pauses between reads grow with the wait (a twentieth of it),
so that a slow system is not slowed further by being watched.

    Prober(watched, "module:function", ["argument"])   function(argument) is `positions(group, entity)`, a dictionary
                                                       of the last offset applied by partition
    prober(mark), prober(delivered)                    as `demo.replay` says them
    prober.finish()                                    milliseconds of every mark
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

import orjson

from demo.oracle.declared import Declared
from demo.replay import Delivered, Mark

Positions = Callable[[str, str], dict[int, int]]
PAUSE_S, MOST_PAUSE_S = 0.0005, 0.05


def watched_groups(declared: Declared) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return of each source the first group whose entity every message has, and the entity's columns."""
    always = {"origin", "dest", "carrier"}
    usable = [group for group in declared.groups if always.issuperset(group.keys)]
    return {group.source: (group.name, group.keys) for group in reversed(usable)}


@dataclass
class Watched:
    """One marked message: who is watched for it, what was read when, and where the message lies once that is known."""

    group: str
    entity: str
    sent_ns: int
    place: tuple[int, int] | None = None
    read: list[tuple[int, dict[int, int]]] = field(default_factory=list)

    def note(self, now_ns: int, positions: dict[int, int]) -> None:
        """Keep a reading, unless it says what the last one said."""
        if not self.read or self.read[-1][1] != positions:
            self.read.append((now_ns, positions))

    def readable_ns(self) -> int | None:
        """Return when the message was first seen to be part of an answer; None while it was not."""
        if self.place is None:
            return None
        partition, offset = self.place
        return next((now_ns for now_ns, positions in self.read if positions.get(partition, -1) >= offset), None)


@dataclass(frozen=True)
class Freshness:
    """Milliseconds from sending to readable, and how many marked messages were not seen in time."""

    milliseconds: tuple[float, ...]
    unseen: int

    def percentile(self, share: float) -> float | None:
        """Return the smallest measurement that this share of them does not exceed (nearest rank)."""
        ordered = sorted(self.milliseconds)
        return ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else None

    def as_report(self) -> dict[str, float | int | None]:
        """Return the figures of the report."""
        rounded = {name: self.percentile(share) for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))}
        figures: dict[str, float | int | None] = {
            name: None if value is None else round(value, 2) for name, value in rounded.items()
        }
        return {**figures, "events": len(self.milliseconds), "unseen": self.unseen}


class Watch:
    """The polling itself, over any function that tells positions; time is monotonic nanoseconds."""

    def __init__(self, positions: Positions) -> None:
        self._positions = positions
        self._waiting: dict[int, Watched] = {}
        self.measured: list[float] = []

    @property
    def waiting(self) -> int:
        """Return how many marked messages have not been seen yet."""
        return len(self._waiting)

    def hear(self, said: dict[str, Any]) -> None:
        """Take in what the replay says: a mark, or where a marked message lies."""
        if "sent_ns" in said:
            self._waiting[said["number"]] = Watched(said["group"], said["entity"], said["sent_ns"])
        elif said["number"] in self._waiting:
            self._waiting[said["number"]].place = (said["partition"], said["offset"])

    def look(self) -> None:
        """Read the positions of everybody who is waited for, once."""
        for number, watched in list(self._waiting.items()):
            positions = self._positions(watched.group, watched.entity)
            watched.note(time.monotonic_ns(), positions)
            if (seen_ns := watched.readable_ns()) is not None:
                self.measured.append((seen_ns - watched.sent_ns) / 1e6)
                del self._waiting[number]

    def pause_s(self) -> float:
        """Return how long to wait before the next look: longer for who has been waited for longer, within bounds."""
        newest = max((watched.sent_ns for watched in self._waiting.values()), default=0)
        return min(max((time.monotonic_ns() - newest) / 20e9, PAUSE_S), MOST_PAUSE_S)


class Prober:
    """A watch in a process of its own; called with what the replay says.

    Attributes:
        watched: source -> the group that is watched for its messages, and the entity's columns.
    """

    def __init__(
        self, watched: Mapping[str, tuple[str, tuple[str, ...]]], factory: str, arguments: Sequence[Any]
    ) -> None:
        self.watched = watched
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.process = context.Process(target=_watch, args=(theirs, factory, list(arguments)), daemon=True)
        self.process.start()
        theirs.close()
        self._pipe.recv_bytes()  # it says when it is ready to look

    def __call__(self, said: Mark | Delivered) -> None:
        """Pass on what the replay says."""
        if isinstance(said, Delivered):
            message: dict[str, Any] = {"number": said.number, "partition": said.partition, "offset": said.offset}
        else:
            group, columns = self.watched[said.record.source]
            values = dict(said.record.entity)
            entity = "|".join(str(values[column]) for column in columns)
            message = {"number": said.number, "group": group, "entity": entity, "sent_ns": said.sent_ns}
        self._pipe.send_bytes(orjson.dumps(message))

    def finish(self, seconds: float = 30.0) -> Freshness:
        """Return the measurements, after waiting at most so long for what has not been seen."""
        self._pipe.send_bytes(orjson.dumps({"finish": seconds}))
        found = orjson.loads(self._pipe.recv_bytes())
        self.process.join(10)
        return Freshness(tuple(found["milliseconds"]), found["unseen"])


def arrived_at(positions: dict[Any, int]) -> Positions:
    """Return a reader that always says the same; with it, a run measures the prober itself."""
    told = {int(partition): offset for partition, offset in positions.items()}
    return lambda group, entity: told  # noqa: ARG005 - the same for everybody


def _watch(pipe: Connection, factory: str, arguments: list[Any]) -> None:
    """Run in the prober's process: listen, look, and at the end tell."""
    module, _, name = factory.partition(":")
    watch = Watch(getattr(importlib.import_module(module), name)(*arguments))
    pipe.send_bytes(b"{}")
    end_ns = None
    while end_ns is None or (watch.waiting and time.monotonic_ns() < end_ns):
        while end_ns is None and pipe.poll(watch.pause_s() if watch.waiting else None):
            said = orjson.loads(pipe.recv_bytes())
            if "finish" in said:
                end_ns = time.monotonic_ns() + int(said["finish"] * 1e9)
                break
            watch.hear(said)
            watch.look()
        if end_ns is not None:
            time.sleep(watch.pause_s())
        watch.look()
    pipe.send_bytes(orjson.dumps({"milliseconds": watch.measured, "unseen": watch.waiting}))
