"""Redis in memory, as far as the merge, its readers and its publications use it: what is written, what expires, what is
lost at a restart, and what a client hears of it.

A script is the rule that it renders: `SpeedHash` for `merge.lua`; the contract tests hold both to the same bytes. Like
a real server this one keeps a log of its writes (`appendfsync everysec`), so that what is left after a restart is
exactly what the writes up to some moment make.
"""

from __future__ import annotations

from fnmatch import fnmatchcase
from hashlib import sha1
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from lambda_core.schemas.messages import Update
from lambda_core.views.script import CAUGHT_UP, LATE, MERGE, READ, RELEASE
from lambda_core.views.speed import SeenKeys, SpeedHash

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Self

    from lambda_core.clock import FixedClock
    from lambda_core.features.definition import Definition

_WRITES = {"set", "mset", "sadd", "srem", "smove", "flip", "merge", "late", "release", "expire", "flushall", "hset"}


class Server:
    """One Redis. Every method named like a command is that command, done at once."""

    def __init__(self, clock: FixedClock, definition: Definition, rules: Rules) -> None:
        self.run = 1
        self.rules = rules
        self._clock = clock
        self._group = next(iter(definition.groups.values()))
        self._written: list[tuple[int, str, tuple[Any, ...]]] = []
        self._held: dict[str, Any] = {}
        self._until: dict[str, int] = {}
        self._now_ms: int | None = None  # while writes are done again: when they were done first

    def do(self, command: str, *args: Any) -> Any:
        """Do a command now, and write it down if it wrote."""
        reply = getattr(self, command)(*args)
        if command in _WRITES:
            self._written.append((self._clock.now_ms(), command, args))
        return reply

    def restart(self, lost_ms: int) -> None:
        """Come back as another process, without what was written in the last so many milliseconds."""
        last_ms = self._clock.now_ms() - lost_ms
        self.run += 1
        self._held, self._until = {}, {}
        self._written = [one for one in self._written if one[0] <= last_ms]
        for at_ms, command, args in self._written:
            self._now_ms = at_ms
            getattr(self, command)(*args)
        self._now_ms = None

    # --- plain commands ------------------------------------------------------------------------------------------

    def get(self, key: str) -> bytes | None:
        return self._at(key)

    def mget(self, keys: list[str]) -> list[bytes | None]:
        return [self._at(key) for key in keys]

    def set(self, key: str, value: bytes | str | int, condition: str = "") -> bool | None:
        if (condition == "nx" and self._at(key) is not None) or (condition == "xx" and self._at(key) is None):
            return None
        self._held[key] = value if isinstance(value, bytes) else str(value).encode()
        self._until.pop(key, None)
        return True

    def mset(self, values: dict[str, bytes | str | int]) -> None:
        for key, value in values.items():
            self.set(key, value)

    def sadd(self, key: str, member: str) -> None:
        self._or_new(key, set).add(member.encode())

    def srem(self, key: str, *members: str) -> None:
        (self._at(key) or set()).difference_update(member.encode() for member in members)

    def smove(self, source: str, target: str, member: str) -> int:
        held = self.sismember(source, member)
        if held:
            self._at(source).remove(member.encode())
            self.sadd(target, member)
        return held

    def sismember(self, key: str, member: str) -> int:
        return int(member.encode() in (self._at(key) or set()))

    def smismember(self, key: str, members: list[str]) -> list[int]:
        return [self.sismember(key, member) for member in members]

    def smembers(self, key: str) -> set[bytes]:
        return set(self._at(key) or ())

    def hset(self, key: str, values: dict[int, str]) -> None:
        self._or_new(key, dict).update(values)

    def ttl(self, key: str) -> int:
        if self._at(key) is None:
            return -2
        return -1 if key not in self._until else (self._until[key] - self._now()) // 1_000

    def expire(self, key: str, seconds: int) -> None:
        if self._at(key) is not None:
            self._until[key] = self._now() + seconds * 1_000

    def scan(self, pattern: str) -> list[bytes]:
        plain = pattern.replace("[", "[[]")
        return [key.encode() for key in list(self._held) if fnmatchcase(key, plain) and self._at(key) is not None]

    def flushall(self) -> None:
        self._held, self._until = {}, {}

    def info(self, _: str = "") -> dict[str, str]:
        return {"run_id": f"run{self.run}"}

    # --- scripts -------------------------------------------------------------------------------------------------

    def flip(self, keys: tuple[str, ...], expected: bytes, new: bytes, announced: bytes = b"") -> int:
        """The pointer's compare-and-set."""
        key, *loaded = keys  # what is announced, and the note where one Redis has one
        if len(loaded) > 1 and self._at(loaded[1]) != b"written":
            return -1
        if loaded and self._at(loaded[0]) != announced:
            return -2
        if (self._at(key) or b"") != expected:
            return 0
        self.set(key, new)
        for note in loaded:
            self._held.pop(note, None)
        return 1

    def merge(self, hash_: str, periods: str, seen: str, mark: str, late: str, *arguments: Any) -> list[int]:
        """Apply updates to one period's hash: `merge.lua`."""
        epoch, period, first_period, ring, horizon_ms, _, packed, *rows = arguments
        if not self.sismember(mark, epoch):
            raise redis.ResponseError(f"EPOCH this Redis does not hold epoch {epoch}")
        places = msgspec.msgpack.decode(packed)
        updates = [
            Update("", "", "", *place[:4], msgspec.msgpack.decode(row), place[4] or None)
            for place, row in zip(places, rows, strict=True)
        ]
        known: SeenKeys = self._or_new(seen, lambda: SeenKeys(horizon_ms))
        if period < first_period:
            counts = [not self.rules.remember(known, update) for update in updates]
            self._note(late, period, zip(updates, places, counts, strict=True))
            return [0, 0, 0, len(updates)]
        self._or_new(periods, set).add(period)
        own: SpeedHash = self._or_new(hash_, SpeedHash)
        became = [self.rules.apply(own, self._group, update, known, ring) for update in updates]
        self._note(late, period, zip(updates, places, (one == "applied" for one in became), strict=True))
        return [became.count("applied"), became.count("fenced"), became.count("duplicate"), 0]

    def late(self, key: str, *pairs: Any) -> int:
        """Note late records: `late.lua`."""
        noted = self._or_new(key, dict)
        for name, offset in zip(pairs[::2], pairs[1::2], strict=True):
            noted[name.encode()] = max(offset, noted.get(name.encode(), -1))
        return len(pairs) // 2

    def caught_up(self, key: str, what: str, *partitions: int) -> int:
        """Note the process for partitions, and tell whether it is everyone's: `caught_up.lua`. The log says which it was."""
        noted, process = self._at(key) or {}, f"run{self.run}"
        new = {one: process for one in partitions if what == "note" or one not in noted}
        if new:
            self.do("hset", key, new)
        return int(all(one == process for one in (noted | new).values()))

    def _note(self, key: str, period: int, updates: Iterable[tuple[Update, list[Any], bool]]) -> None:
        """Note those updates that count, and whose place says that they are late."""
        late = [update for update, place, counts in updates if counts and len(place) > 5]
        if late and self.rules.notes_late:
            self.late(key, *(part for one in late for part in (f"{one.partition}:{period}", one.offset)))

    def read(self, batch: str, periods: str, late: str, prefix: str, horizon: int, known: str = "") -> list[Any]:
        """Return one entity's batch value, late records and hashes: `read.lua`."""
        noted = [part for pair in (self._at(late) or {}).items() for part in pair]
        answer: list[Any] = [b"known" if known else self._at(batch), noted]
        for period in sorted(self._at(periods) or ()):
            if period >= horizon:
                hash_ = self._at(f"{prefix}{period}")
                fields = [] if hash_ is None else [part for pair in hash_.encode().items() for part in pair]
                answer.append([period, fields])
        return answer

    def release(self, periods: str, seen: str, late: str, prefix: str, *settings: int) -> list[int]:
        """Let go of one entity's periods before the first one retained: `release.lua`."""
        first_period, forget_ms, seconds, *absorbed = settings
        noted = self._at(late) or {}
        for partition, next_ in zip(absorbed[::2], absorbed[1::2], strict=True):
            for name in [name for name, offset in noted.items() if offset < next_]:
                if name.startswith(f"{partition}:".encode()):
                    del noted[name]
        released, index = 0, self._at(periods) or set()
        for period in sorted(one for one in index if one < first_period):
            left = self.ttl(f"{prefix}{period}")
            if left == -2:
                index.discard(period)
            elif left == -1:
                self.expire(f"{prefix}{period}", seconds)
                released += 1
        known = self._at(seen)
        forgotten = [] if known is None else [key for key, (at_ms, _) in known.kept.items() if at_ms < forget_ms]
        for key in forgotten:
            del known.kept[key]
        return [released, len(forgotten)]

    def _at(self, key: str) -> Any:
        if key in self._until and self._until[key] <= self._now():
            del self._until[key], self._held[key]
        return self._held.get(key)

    def _or_new(self, key: str, make: Callable[[], Any]) -> Any:
        held = self._at(key)
        if held is None:
            held = self._held[key] = make()
        return held

    def _now(self) -> int:
        return self._clock.now_ms() if self._now_ms is None else self._now_ms


class Rules:
    """What the scripts decide, as they should; a mutant overrides it."""

    notes_late = True

    def apply(self, hash_: SpeedHash, group: Any, update: Update, seen: SeenKeys, ring: int) -> str:
        return hash_.apply(group, update, seen, ring)

    def remember(self, seen: SeenKeys, update: Update) -> bool:
        return seen.is_duplicate(update)


def _sha(text: str) -> str:
    return sha1(text.encode(), usedforsecurity=False).hexdigest()


_SCRIPTS = {_sha(MERGE): "merge", _sha(READ): "read", _sha(LATE): "late", _sha(RELEASE): "release"} | {
    _sha(CAUGHT_UP): "caught_up"
}


class Client:
    """A connection: broken for good when the server was restarted, or when the network says so.

    `between` is called before each command that goes over the wire, and says what becomes of it: done and answered
    (None), refused before it was done ("lost"), or done without an answer ("unheard").
    """

    connection_pool = type("Pool", (), {"connection_kwargs": {"host": "simulated", "port": 0}})

    def __init__(self, server: Server, between: Callable[[], str | None]) -> None:
        self._server = server
        self._between = between
        self._run: int | None = server.run

    def close(self) -> None:
        self._run = None

    def get(self, key: str) -> Any:
        return self.send([("get", key)])[0]

    def set(self, key: str, value: Any, *, nx: bool = False, xx: bool = False, ex: int = 0) -> Any:
        del ex  # longer than any world lasts
        return self.send([("set", key, value, "nx" if nx else "xx" if xx else "")])[0]

    def mget(self, keys: list[str]) -> Any:
        return self.send([("mget", keys)])[0]

    def mset(self, values: dict[str, Any]) -> Any:
        return self.send([("mset", values)])[0]

    def sadd(self, key: str, member: str) -> Any:
        return self.send([("sadd", key, member)])[0]

    def sismember(self, key: str, member: str) -> Any:
        return self.send([("sismember", key, member)])[0]

    def info(self, section: str) -> Any:
        return self.send([("info", section)])[0]

    def eval(self, _: str, keys: int, *args: Any) -> Any:
        """The one script that is sent as a text: the pointer's compare-and-set."""
        return self.send([("flip", args[:keys], *args[keys:])])[0]

    def script_load(self, _: str) -> None:
        self.send([("info",)])

    def scan_iter(self, match: str, count: int) -> Iterator[bytes]:
        del count
        yield from self.send([("scan", match)])[0]

    def pipeline(self, *, transaction: bool = True) -> Pipeline:
        return Pipeline(self, whole=transaction)

    def send(self, commands: list[tuple[Any, ...]], *, whole: bool = True) -> list[Any]:
        """Do commands in one round trip: as a transaction, or one after the other with others in between."""
        replies: list[Any] = []
        fate = self._ask()
        for place, command in enumerate(commands):
            if place and not whole:
                fate = fate or self._ask()
            if fate == "lost":
                break
            try:
                replies.append(self._server.do(*command))
            except redis.ResponseError as error:
                replies.append(error)
        if fate:
            self._run = None
            raise redis.ConnectionError("the connection broke")
        return replies

    def _ask(self) -> str | None:
        fate = self._between() if self._run is not None else None
        return "lost" if self._run != self._server.run else fate


class Pipeline:
    """Commands that are sent together."""

    def __init__(self, client: Client, *, whole: bool) -> None:
        self._client = client
        self._whole = whole
        self._commands: list[tuple[Any, ...]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._commands = []

    def get(self, key: str) -> None:
        self._commands.append(("get", key))

    def sismember(self, key: str, member: str) -> None:
        self._commands.append(("sismember", key, member))

    def smembers(self, key: str) -> None:
        self._commands.append(("smembers", key))

    def ttl(self, key: str) -> None:
        self._commands.append(("ttl", key))

    def expire(self, key: str, seconds: int) -> None:
        self._commands.append(("expire", key, seconds))

    def command(self, name: str, *args: Any) -> None:
        self._commands.append((name, *args))

    def evalsha(self, sha: str, _: int, *args: Any) -> None:
        self._commands.append((_SCRIPTS[sha], *args))

    def execute(self, *, raise_on_error: bool = True) -> list[Any]:
        replies = self._client.send(self._commands, whole=self._whole)
        errors = [reply for reply in replies if isinstance(reply, Exception)]
        self._commands = []
        if raise_on_error and errors:
            raise errors[0]
        return replies
