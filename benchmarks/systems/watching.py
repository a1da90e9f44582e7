"""Waits for marked events to be readable: a client that polls, in a process of its own.

A marked event is readable when an answer about its shop names a position at or past it. The pauses between reads grow with
the longest wait (a twentieth of it), so that a slow system is not slowed further by being watched.
"""

from __future__ import annotations

import multiprocessing
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from benchmarks.systems.feeding import feed
from benchmarks.systems.ours import OurReader
from benchmarks.systems.peers import PeerReader

if TYPE_CHECKING:
    from collections.abc import Sequence
    from multiprocessing.connection import Connection

PAUSE_S, MOST_PAUSE_S = 0.001, 0.05
PATIENCE_S = 30.0


@dataclass
class Marked:
    """A marked event: its shop, when it was sent, and where it lies once that is known."""

    shop: str
    sent_ns: int
    place: tuple[int, int] | None = None


@dataclass(frozen=True)
class Seen:
    """What came of a feed.

    Attributes:
        waits: (when it was sent, in seconds since 1970; milliseconds until it was readable) of each marked event.
        unseen: marked events that were not readable within the patience: theirs are the waits until then.
        following: the number of the next event.
    """

    waits: list[tuple[float, float]]
    unseen: int
    following: int


def watch(reader: OurReader | PeerReader, pipe: Connection) -> None:
    """Run in the watching process: listen, look, and tell what was seen once told to finish."""
    waiting: dict[int, Marked] = {}
    waits: list[tuple[float, float]] = []
    end, due = float("inf"), 0.0
    while time.monotonic() < end and (waiting or end == float("inf")):
        while pipe.poll(max(0.0, due - time.monotonic()) if waiting else None):
            said = pipe.recv()
            if said is None:
                end = time.monotonic() + PATIENCE_S
                break
            _hear(waiting, said)
            if time.monotonic() >= due:
                break
        _look(reader, waiting, waits)
        due = time.monotonic() + _pause_s(waiting)
    waits += [(marked.sent_ns / 1e9, (time.time_ns() - marked.sent_ns) / 1e6) for marked in waiting.values()]
    pipe.send((waits, len(waiting)))


def _hear(waiting: dict[int, Marked], said: dict[str, Any]) -> None:
    if "sent_ns" in said:
        waiting[said["number"]] = Marked(said["shop"], said["sent_ns"])
    else:
        waiting[said["number"]].place = (said["partition"], said["offset"])


def _look(reader: OurReader | PeerReader, waiting: dict[int, Marked], waits: list[tuple[float, float]]) -> None:
    asked = [(number, marked) for number, marked in waiting.items() if marked.place is not None]
    if not asked:
        return
    positions = reader.positions([marked.shop for _, marked in asked])
    now_ns = time.time_ns()
    for (number, marked), found in zip(asked, positions, strict=True):
        partition, offset = marked.place or (0, 0)
        if found.get(partition, -1) >= offset:
            waits.append((marked.sent_ns / 1e9, (now_ns - marked.sent_ns) / 1e6))
            del waiting[number]


def _pause_s(waiting: dict[int, Marked]) -> float:
    oldest_ns = min((marked.sent_ns for marked in waiting.values()), default=time.time_ns())
    return min(max((time.time_ns() - oldest_ns) / 20e9, PAUSE_S), MOST_PAUSE_S)


def _watcher(kind: str, url: str, pipe: Connection) -> None:
    watch(OurReader(url) if kind == "ours" else PeerReader(url), pipe)


def _feeder(arguments: Sequence[Any], marks: Connection, result: Connection) -> None:
    result.send(feed(*arguments, marks.send))
    marks.send(None)


def fed_and_seen(kind: str, url: str, arguments: Sequence[Any]) -> Seen:
    """Feed in one process and watch in another; return what was seen.

    Args:
        kind: `ours`, or a peer.
        url: the store's database that is read.
        arguments: of `feed`, without `say`.
    """
    context = multiprocessing.get_context("spawn")
    theirs, marks = context.Pipe()  # the watcher tells what it saw on the pipe by which it hears of marks
    result, told = context.Pipe(duplex=False)
    watching = context.Process(target=_watcher, args=(kind, url, theirs), daemon=True)
    watching.start()
    feeding = context.Process(target=_feeder, args=(arguments, marks, told), daemon=True)
    feeding.start()
    following = result.recv()
    feeding.join()
    waits, unseen = marks.recv()
    watching.join()
    return Seen(waits, unseen, following)
