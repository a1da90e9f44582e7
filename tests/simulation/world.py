"""A whole day of merging in milliseconds: events, query, workers, publications and readers under a virtual clock, with
everything that goes wrong drawn from one seed.

What runs here is what runs in production, down to the commands that go to Redis: the worker's loop, the handler, the
positions, the calls of the scripts, the choice of the horizon, the publication, the revert, the reading. What is simulated:
Redis itself (`store`), Kafka (`topics`), the query (it emits each partition's events in order, and after a crash again
from its checkpoint), and the tables (a view is packed from the source's events).

Between any two commands of anybody, anybody else may go on; a command may be lost, or done without being answered;
whoever sent it may be killed. Every answer that is read on the way must equal the batch formula over the events up to
the positions that it names, and at the end, when all is quiet, over all events.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from functools import cache, partial
from itertools import accumulate
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from batch_layer.publishing.horizon import Prepared
from batch_layer.publishing.publish import publish
from batch_layer.publishing.revert import revert
from lambda_core.clock import FixedClock
from lambda_core.config.project import Project
from lambda_core.errors import BehindError, EpochError, GuardError, PointerMovedError, ServerError
from lambda_core.features.definition import Definition, FeatureGroup, compile_definition
from lambda_core.repositories.store import answering, shard_slots
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.keyspace import Keyspace
from speed_layer.merging.handling import MergeHandler
from speed_layer.merging.target import RedisTarget
from speed_layer.positions import Positions
from speed_layer.worker import Worker
from tests.laws import oracle
from tests.laws.oracle import Ask, Event
from tests.laws.worlds import ask_of, by_period, packed_rows, update_of
from tests.simulation.store import Client, Rules, Server
from tests.simulation.topics import Asked, Reading

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_core.schemas.messages import Update
    from lambda_core.views.pointer import Published

SECOND_MS = 1_000
PERIOD_MS = 60 * SECOND_MS
ALLOWANCE_MS = 20 * SECOND_MS
WRONG_BY_MS = 300 * SECOND_MS
"""How far a clock may step back, where it does: beyond every allowance."""
DUPLICATE_HORIZON_MS = 70 * SECOND_MS
LET_GO_MS = 700 * SECOND_MS
"""A leap of the clock after which all that was let go is gone."""
BEGIN_MS = 1_700_000_040_000
SOURCE, UPDATES = "world.things", "world.updates"
ENTITIES = ("ann", "bob")
PARTITIONS = 2
AT_REST = 100
"""How many updates a worker takes at once when all that is left is to catch up."""
DEPTH = 2
"""How many may be held up by others at a time."""


class KilledError(BaseException):
    """Somebody's process ends here; nothing but the scheduler may catch it."""


@cache
def definition(ring: int) -> Definition:
    """A count, a sum and the latest of a column, in two windows of different hops."""
    blocks = [
        {"column": column, "aggregations": aggregations, "windows": [window], "hop": hop}
        for window, hop in (("30s", "10s"), ("150s", "25s"))
        for column, aggregations in ((None, ["count"]), ("whole", ["sum", "latest"]))
    ]
    things = {
        "topic": SOURCE,
        "columns": {"key": {"type": "string"}, "whole": {"type": "integer"}, "word": {"type": "string"}},
        "derive": {"at": {"type": "timestamp", "expression": "now()"}},
        "event_time": "at",
        "unique_key": ["word"],
        "duplicate_horizon": "70s",
    }
    return compile_definition(
        Project.model_validate(
            {
                "project": "world",
                "view": {"period": "1m", "ring": ring, "clock_allowance": "20s"},
                "sources": {"things": things},
                "entities": {"thing": {"keys": ["key"]}},
                "feature_groups": {"things": {"source": "things", "entity": "thing", "features": blocks}},
            }
        )
    )


@cache
def asks(ring: int) -> dict[str, Ask]:
    """Feature -> the oracle's word for it."""
    group = definition(ring).groups["things"]
    return {feature.name: ask_of(group, feature) for feature in group.features}


@dataclass
class Query:
    """The streaming query: emits updates from where it stands; kept at a checkpoint now and then."""

    stands: list[int] = field(default_factory=lambda: [0] * PARTITIONS)
    checkpoint: list[int] = field(default_factory=lambda: [0] * PARTITIONS)


class Quiet:
    """A worker's measures, unseen."""

    waits_for = ""

    def line(self) -> None: ...

    def waits(self, reason: str) -> None: ...

    def begun(self, positions: dict[int, int]) -> None: ...

    def count(self, partition: int, outcomes: dict[str, int]) -> None: ...

    def done(self, appended_ms: dict[int, list[int]], positions: dict[int, int], lag_records: int) -> None: ...


@dataclass
class Tables:
    """The batch side of one publication: what was prepared when it began, packed by the batch formula."""

    world: World
    redis: Client

    def prepared(self) -> list[Prepared]:
        return [Prepared("things", SOURCE, {"prepared": 0}, dict(enumerate(self.world.raw)))]

    def accounts(self, prepared: list[Prepared], horizon: int) -> dict[str, int]:
        return {one.source: len(self._events(one, horizon)) for one in prepared}

    def build(self, prepared: list[Prepared], horizon: int) -> Any:
        counted, values = self._events(prepared[0], horizon), {}
        for entity in ENTITIES:
            own = [(event.event_ms, self.world.update(event).row) for event in counted if event.entity == entity]
            if own:
                values[entity] = packed_rows(self.world.group, own)
        return SimpleNamespace(versions={}, tiles={}, lookback_from_ms=0, values=values)

    def write(self, generation: str, tiles: Any) -> dict[str, Any]:
        with answering(self.redis):
            for entity, value in tiles.values.items():
                self.redis.set(self._key(entity, generation), value)
        return {"things": Counter(tiles.values.values())}

    def read_back(self, generation: str, tiles: Any) -> dict[str, Any]:
        with answering(self.redis):
            found = [self.redis.get(self._key(entity, generation)) for entity in tiles.values]
        return {"things": Counter(found)}

    def _key(self, entity: str, generation: str) -> str:
        return self.world.keys.batch("things", entity, generation)

    def updates(self, source: str, records: list[Any]) -> list[Any]:
        assert source == "things"
        events = [self.world.events[partition][offset] for partition, offset, *_ in records]
        return [update for event in events for update in self.world.updates(event)]

    def rebuilds(self, definition_id: str) -> int:
        del definition_id
        return max(self.world.rebuilds, default=-1)

    def references(self) -> dict[str, str]:
        return {}

    def record(self, new: Published, *of: Any) -> None:
        del of
        self.world.rebuilds.append(new.rebuild)

    def _events(self, prepared: Prepared, horizon: int) -> list[Event]:
        ends = prepared.positions
        known = [event for log in self.world.events for event in log if event.offset < ends[event.partition]]
        return [event for event in self.world.counted(known) if self.world.of_view(event, horizon)]


@dataclass
class ForTurns:
    """A publication that waits: others go on for a while, or nobody does."""

    world: World

    def until(self, is_so: Callable[[], bool]) -> bool:
        for _ in range(self.world.draw.choice([0, 5, 40])):
            if is_so():
                return True
            self.world.others_go_on(1)
        return is_so()


class World:
    """Everything, from one seed.

    Attributes:
        rules: what Redis' scripts decide.
        seen: what happened, and how often.
        story: one line an event, when it is told.
    """

    rules: type[Rules] = Rules
    shards = 1

    def __init__(self, seed: int, *, tell: bool = False) -> None:
        self.draw = random.Random(seed)
        self.clock = FixedClock(BEGIN_MS)
        self.ring = self.draw.choice([1, 2, 4])
        self.definition = definition(self.ring)
        self.group: FeatureGroup = self.definition.groups["things"]
        self.keys = Keyspace("world", sharded=self.shards > 1)
        self.servers = [Server(self.clock, self.definition, self.rules()) for _ in range(self.shards)]
        self.server = self.servers[0]
        self.events: list[list[Event]] = [[] for _ in range(PARTITIONS)]
        self.emitted: list[list[bytes]] = [[] for _ in range(PARTITIONS)]
        self.appended: list[list[int]] = [[] for _ in range(PARTITIONS)]
        logs = {SOURCE: dict(enumerate(self.appended)), UPDATES: dict(enumerate(self.emitted))}
        self.topics = Asked(logs, lambda: self.others_go_on(self.draw.choice([0, 3, 12])))
        self.queries = [Query()]
        self.raw = [0] * PARTITIONS
        self.rebuilds: list[int] = []
        self.seen: Counter[str] = Counter()
        self.story: list[str] | None = [] if tell else None
        self.quiet = False
        self._made: dict[tuple[int, int], Update] = {}
        self._busy: list[str] = []
        self._said: dict[tuple[str, str], dict[int, int]] = {}
        self._free: dict[tuple[str, ...], tuple[list[str], list[float]]] = {}
        self._trouble = self.draw.choice([0.0, 0.01, 0.03])
        self._turns = self.draw.choice([0.0, 0.1, 0.3])
        self._wrong_clocks = self.draw.choice([0.0, 0.05, 0.2])
        self._deeds = {name: weight * self.draw.choice([0, 1, 4]) for name, weight in RARE.items()} | USUAL
        self.workers: dict[str, Worker] = {}
        for name in ("worker 1", "worker 2")[: self.draw.randint(1, 2)]:
            self.workers[name] = self.new_worker(name)
        self.reader = self.new_reader()

    # --- who is there --------------------------------------------------------------------------------------------

    def new_worker(self, name: str) -> Worker:
        positions = Positions(self.keys, self.topics, UPDATES)
        target = RedisTarget(
            lambda: self.client(name),
            positions,
            lambda _, wanted: self.definition if wanted == self.definition.id else None,
        )
        handler = MergeHandler(target, self.clock, Quiet(), _SILENT, lambda _: 0)
        log = Reading(self.emitted, self.draw, lambda: self.others_go_on(self.draw.choice([0, 0, 0, 1, 6])))
        return Worker(log, handler, max_batch=self.draw.choice([1, 3, 50]))

    def new_reader(self) -> ViewStore:
        self.reader_client = self.client("reader")
        return ViewStore(self.reader_client, self.keys)

    def client(self, name: str) -> Client:
        return Client(self.server, partial(self.between, name))

    def between(self, name: str) -> str | None:
        """Let others go on before somebody's command, and say what becomes of it."""
        if self.quiet:
            return None
        while len(self._busy) <= DEPTH and self.draw.random() < self._turns:
            self.turn()
        if self.draw.random() >= self._trouble:
            return None
        if self.draw.random() < 0.4 and name != "reader":
            self.tell(f"{name} is killed")
            raise KilledError
        return self.draw.choice(["lost", "unheard"])

    def others_go_on(self, turns: int) -> None:
        """Let others do so many things, while somebody waits for what is no command to Redis."""
        for _ in range(turns):
            if not self.quiet and len(self._busy) <= DEPTH:
                self.turn()

    # --- what happens --------------------------------------------------------------------------------------------

    def run(self, turns: int = 70) -> None:
        """Live, then let everything come to rest, and look at all of it."""
        for _ in range(turns):
            self.turn()
        self.rest()

    def turn(self) -> None:
        """Let one of those who are not busy do one thing; time goes on."""
        self.clock.advance(self.draw.choice([0, 1, 40, 900, 4_000]))
        deeds, weights = self._deeds_of_the_free()
        (deed,) = self.draw.choices(deeds, cum_weights=weights)
        actor, *rest = deed.split()
        if actor == "worker":
            name = self.draw.choice(sorted(self.workers))
            if name not in self._busy:
                self.do(name, lambda: self.work(name))
        else:
            self.do(actor, getattr(self, "_".join([actor, *rest])))

    def _deeds_of_the_free(self) -> tuple[list[str], list[float]]:
        """What those who are not busy may do, and the sums of its weights up to each."""
        busy = tuple(self._busy)
        if busy not in self._free:
            free = {name: weight for name, weight in self._deeds.items() if name.split()[0] not in busy}
            self._free[busy] = list(free), list(accumulate(free.values()))
        return self._free[busy]

    def do(self, actor: str, deed: Callable[[], None]) -> None:
        """Do something as somebody, who may be killed in it or find a server away."""
        self._busy.append(actor)
        try:
            deed()
        except KilledError:
            self.seen["killed"] += 1
            if actor in self.workers:
                self.workers[actor] = self.new_worker(actor)
        except (ServerError, GuardError, PointerMovedError) as error:
            self.seen[type(error).__name__] += 1
            self.tell(f"{actor}: {error}")
        finally:
            self._busy.remove(actor)

    def source(self) -> None:
        """Events come: late, tied, with copies of what has come; brokers stamp a little in the past now and then."""
        for _ in range(self.draw.randint(1, 4)):
            partition, now_ms = self.draw.randrange(PARTITIONS), self.clock.now_ms()
            log = self.events[partition]
            append_ms = now_ms - self.draw.choice([0, 0, 0, self.draw.randrange(ALLOWANCE_MS)])
            if self.draw.random() < self._wrong_clocks:
                append_ms -= self.draw.randrange(WRONG_BY_MS)
            event_ms = append_ms - self.draw.choice([0, 10, self.draw.randrange(40_000), self.draw.randrange(200_000)])
            if self.draw.random() < 0.5:
                event_ms -= event_ms % 5_000  # ties
            unique = self.draw.choice([None, None, "a", "b"])
            values = {"whole": self.draw.choice([None, self.draw.randint(-9, 9)])}
            self.appended[partition].append(append_ms)
            log.append(Event(partition, len(log), append_ms, event_ms, self.draw.choice(ENTITIES), values, unique))

    def query(self) -> None:
        """A query emits what comes next; an older one, whose end nobody saw, may do so, too."""
        self._emit(self.draw.choice(self.queries), self.draw.randint(1, 6))

    def _emit(self, query: Query, most: int) -> None:
        for partition in self.draw.sample(range(PARTITIONS), PARTITIONS):
            stands = query.stands[partition]
            for event in self.events[partition][stands : stands + most]:
                for update in self.updates(event):
                    place = ENTITIES.index(event.entity) % PARTITIONS
                    self.emitted[place].append(msgspec.json.encode(update))
                query.stands[partition] += 1

    def updates(self, event: Event) -> list[Any]:
        """What the query makes of an event."""
        return [self.update(event)]

    def update(self, event: Event) -> Update:
        """An event's update, worked out once: queries emit it again, and every view has its row."""
        place = (event.partition, event.offset)
        if place not in self._made:
            update = update_of(self.group, event)
            self._made[place] = msgspec.structs.replace(update, definition=self.definition.id)
        return self._made[place]

    def checkpoint(self) -> None:
        self.queries[-1].checkpoint = list(self.queries[-1].stands)

    def query_crash(self) -> None:
        """A query ends, and another begins at its checkpoint; the old one's last tasks may still be running."""
        newest = self.queries[-1]
        following = Query(list(newest.checkpoint), list(newest.checkpoint))
        self.queries = [newest, following] if self.draw.random() < 0.5 else [following]
        self.tell(f"query begins again at {following.stands}")

    def raw_writer(self) -> None:
        """More of the source is in the raw table, and prepared."""
        for partition, log in enumerate(self.events):
            self.raw[partition] = min(len(log), self.raw[partition] + self.draw.randint(0, 12))

    def work(self, name: str) -> None:
        """A merge worker takes one step."""
        self.workers[name].step()

    def publish(self) -> None:
        """A batch view is published."""
        context = self.context("publish")
        report = publish(context, self.topics, Tables(self, context.redis), ForTurns(self))
        self.seen["published"] += 1
        self.tell(f"published {report.generation}, horizon {report.horizon}, epoch {report.epoch}")

    def revert(self) -> None:
        """The view before becomes current again."""
        report = revert(self.context("revert"))
        self.seen["reverted"] += 1
        self.tell(f"reverted to {report.generation}")

    def context(self, name: str) -> Any:
        """What a batch job is given, as far as these take it."""
        own = {"keys": self.keys, "definition": self.definition, "project": self.definition.project}
        return SimpleNamespace(redis=self.client(name), clock=self.clock, log=_SILENT, run_id="simulated", **own)

    def of_view(self, event: Event, horizon: int) -> bool:
        return event.append_ms // PERIOD_MS < horizon

    def counted(self, events: list[Event]) -> list[Event]:
        """Events without later copies of their unique keys, as preparation finds them."""
        return oracle.without_duplicates(events, DUPLICATE_HORIZON_MS)

    def redis_restart(self) -> None:
        """Redis comes back without its last second, or less of it."""
        self._any_server().restart(self.draw.choice([0, 1, 1_000]))
        self.seen["restarted"] += 1
        self.tell("redis was started again")

    def redis_flush(self) -> None:
        """Redis is emptied, while everybody is connected."""
        self._any_server().do("flushall")
        self.seen["emptied"] += 1
        self.tell("redis was emptied")

    def _any_server(self) -> Server:
        return self.server if self.shards == 1 else self.draw.choice(self.servers)

    def leap(self) -> None:
        """A long time passes."""
        self.clock.advance(LET_GO_MS)

    # --- what must hold ------------------------------------------------------------------------------------------

    def look(self) -> None:
        """A reader asks for one entity."""
        newest = max((event.event_ms for log in self.events for event in log), default=BEGIN_MS)
        self.check(self.draw.choice(ENTITIES), newest + self.draw.choice([1, -5_000, 20_000, -60_000]))

    def check(self, entity: str, t_ms: int) -> dict[int, int]:
        """Hold one answer to the batch formula; return its positions."""
        key = ("things", entity)
        try:
            found = self.reader.read([key])
        except ServerError as error:
            self.seen["behind"] += isinstance(error, BehindError)
            if not isinstance(error, EpochError | BehindError):
                self.reader = self.new_reader()
            raise
        view = found.pointer.current
        horizon = view.horizon
        reading = found.entities[key].reader(self.group, entity).read(t_ms)
        positions = reading.provenance.positions
        counted = [event for event in self.counted_all() if event.entity == entity]
        late = oracle.late(counted, horizon, PERIOD_MS, view.positions["things"])
        applied = [event for event in late if event.offset <= positions.get(event.partition, -1)]
        if applied and not reading.provenance.late:
            raise AssertionError(
                f"{entity} at {t_ms}, positions {positions}: expected `late`, since {applied} do not count"
            )
        if reading.provenance.late and not self._wrong_clocks:
            raise AssertionError(f"{entity} at {t_ms}: found `late` though no clock differs by more than the allowance")
        self.seen["late"] += reading.provenance.late
        counted = [one for one in oracle.named(counted, horizon, PERIOD_MS, positions) if one not in late]
        parts = oracle.sides(*by_period(counted, horizon, PERIOD_MS), self.ring)
        edge = False
        for name, ask in asks(self.ring).items():
            taken, cut = oracle.seen_at_the_edge(ask, parts, t_ms)
            edge = edge or cut
            expected = oracle.of_events(ask, taken) if cut else oracle.value(ask, counted, t_ms)
            if reading.values[name] != expected:
                raise AssertionError(
                    f"{entity} at {t_ms}, positions {positions}, horizon {horizon}: expected {name} = {expected}, "
                    f"found {reading.values[name]}"
                )
        if reading.provenance.edge != edge:
            raise AssertionError(f"{entity} at {t_ms}: expected edge to be {edge}, found {reading.provenance.edge}")
        self._goes_on(view.generation, entity, positions)
        self.seen["answers"] += 1
        self.seen["on the edge"] += edge
        return positions

    def _goes_on(self, generation: str, entity: str, positions: dict[int, int]) -> None:
        """Whatever Redis lost in between: what an answer has once said is in every later one."""
        said = self._said.setdefault((generation, entity), {})
        if any(positions.get(partition, -1) < offset for partition, offset in said.items()):
            raise AssertionError(
                f"{entity} under {generation}: expected positions of {said} at least, found {positions}"
            )
        said.update(positions)

    def counted_all(self) -> list[Event]:
        return oracle.without_duplicates([event for log in self.events for event in log], DUPLICATE_HORIZON_MS)

    def rest(self) -> None:
        """Let everything catch up without trouble; then every answer holds every event."""
        self.quiet = True
        self._emit(self.queries[-1], len(self.events[0]) + len(self.events[1]))
        self.raw = [len(log) for log in self.events]
        self.clock.advance(PERIOD_MS)
        self.reader = self.new_reader()
        if not self._is_whole():
            self.publish()
        for name, worker in self.workers.items():
            worker.max_batch = AT_REST  # nobody is there any more for whom small steps would leave room
            for _ in range(5_000):
                if self._step(name) == 0 and self._is_caught_up():
                    break
        horizon = self.reader.pointer().current.horizon
        for entity in ENTITIES:
            positions = self.check(entity, self.clock.now_ms() + PERIOD_MS)
            self.check(entity, self.clock.now_ms() - PERIOD_MS)
            for partition, log in enumerate(self.events):
                own = [e.offset for e in log if e.entity == entity and e.append_ms // PERIOD_MS >= horizon]
                if own and positions.get(partition, -1) != own[-1]:
                    raise AssertionError(f"{entity}: expected position {own[-1]}, found {positions} at the end")

    def _step(self, name: str) -> int | None:
        try:
            return self.workers[name].step()
        except ServerError as error:
            self.tell(f"{name}: {error}")
            return None

    def _is_caught_up(self) -> bool:
        epoch = self.reader.pointer().current.epoch
        slots = shard_slots(self.reader_client)
        kept = [
            self.reader_client.mget([self.keys.worker(f"{UPDATES}@{epoch}", p, slot) for p in range(PARTITIONS)])
            for slot in slots
        ]
        return all([int(one or 0) for one in own] == [len(records) for records in self.emitted] for own in kept)

    def _is_whole(self) -> bool:
        try:
            return self.reader.is_held(self.reader.pointer().current)
        except EpochError:
            return False

    def tell(self, line: str) -> None:
        if self.story is not None:
            self.story.append(f"{(self.clock.now_ms() - BEGIN_MS) / 1_000:9.3f} s  {line}")


USUAL = {"source": 14, "query": 14, "raw writer": 5, "worker": 22, "publish": 4, "look": 12}
RARE = {"checkpoint": 3, "query crash": 1, "revert": 1, "redis restart": 0.5, "redis flush": 0.1, "leap": 0.4}
"""What may happen, and how often beside the others; a world has more or less of what is rare, or none. The first word
names who does it."""

_SILENT = structlog.wrap_logger(structlog.ReturnLogger(), processors=[lambda *_: ("", {})])


def simulate(seed: int, world: Callable[..., World] = World, *, tell: bool = False) -> World:
    """Run one seed to its end.

    Raises:
        AssertionError: at the first answer that is not the batch formula's.
    """
    made = world(seed, tell=tell)
    made.run()
    return made


def simulated(seeds: Iterable[int], world: Callable[..., World] = World) -> tuple[int | None, Counter[str]]:
    """Run seeds until one fails; return it (None: none did) and what was seen in all of them."""
    seen: Counter[str] = Counter()
    for seed in seeds:
        try:
            seen += simulate(seed, world).seen
        except Exception:  # noqa: BLE001 - whatever ends a world that should live is a failure
            return seed, seen
    return None, seen
