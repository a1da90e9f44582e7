"""What runs for the length of a run, from the first sale to the last entity that is asked for."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import orjson
import redis

from demo.kills import UnderWay, repeated_updates
from demo.oracle import delta
from lambda_core.context import RunContext
from lambda_core.errors import MainstemError
from lambda_core.repositories.log import KafkaTopics
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, SCORES, UPDATES, topic
from lambda_core.views.keyspace import Keyspace
from speed_layer.checkpoint import QUERY
from speed_layer.positions import Positions
from speed_layer.scoring.outbox import SCOPE
from tests.crash import project
from tests.crash.judging import (
    Judgement,
    Standing,
    judge_answers,
    judge_continuity,
    judge_prepared,
    judge_quarantine,
    judge_raw,
    judge_scores,
)
from tests.crash.losses import Losses
from tests.crash.oracle import Oracle
from tests.crash.plan import JOIN, LEAVE, Plan, Step
from tests.crash.publishing import STAGES, Publisher, Stages
from tests.crash.reading import Prober, ask, serving_client
from tests.crash.sales import SHOPS
from tests.crash.sending import Sender, placed, read
from tests.crash.system import ROOT, Process, System

BACK_S, POINTS_S, VIEWS_S = 400.0, 1_800.0, 1_800.0
STILL_S = 120.0
"""What is waited for ends the run when it has not come nearer for so long, however long it takes in all."""
QUERIES_RUN = "queries run"
"""What the speed layer logs once its queries take records."""


class CrashError(RuntimeError):
    """The system did not come back, or does not drain."""


@dataclass(frozen=True)
class Settings:
    """How large a run is.

    Attributes:
        rate: messages a second. publications: how many views at least, 0 for none; pause_s: how long after one the next begins.
        losses: whether Redis is emptied and put back. limit_s: how long after the begin nobody is killed any more.
    """

    seed: int
    rate: float = 500
    customers: int = 12_000
    publications: int = 5
    pause_s: float = 10.0
    losses: bool = True
    limit_s: float = 3_600.0
    timing: project.Timing = field(default_factory=project.Timing)


@dataclass
class Run:
    """What runs, and what was seen of it."""

    settings: Settings
    plan: Plan
    folder: Path
    say: Callable[[str], None]
    found: Judgement = field(default_factory=Judgement)
    back: dict[str, list[float]] = field(default_factory=dict)
    fresh: dict[str, list[float]] = field(default_factory=dict)
    killed: list[tuple[str, float]] = field(default_factory=list)
    emptied_ms: int = 0
    _begin: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """Return how long it has run."""
        return time.monotonic() - self._begin

    def tell(self, what: str) -> None:
        """Say what happens, and when."""
        self.say(f"{self.seconds:7.1f} s  {what}")


def generation(context: RunContext) -> str | None:
    """Return the generation that is current; None when there is none, or Redis is away."""
    with suppress(MainstemError):
        client = redis.Redis.from_url(context.environment.redis.get_secret_value())
        pointer = PointerRepository(client, context.keys).get()
        return pointer.current.generation if pointer else None
    return None


@dataclass
class World:
    """Everything that runs, for the length of a run."""

    run: Run
    system: System
    sender: Sender
    batch: Stages
    context: RunContext
    variables: dict[str, str]

    def live(self) -> None:
        """Go through all of it; what was seen is in the run's folder and in `run`."""
        wanted = self.run.settings.publications
        with Prober(self.context) as self.prober, self._flowing(), self._sampling():
            with Publisher(self.batch, self.run.settings.pause_s) if wanted else nullcontext() as publisher:
                for number, step in enumerate(self.run.plan.steps, 1):
                    if self.run.seconds < self.run.settings.limit_s:
                        self._step(step, f"{number} of {len(self.run.plan.steps)}")
                self._await_points()
                if publisher is not None:
                    self._await_views(publisher, wanted)
                if self.run.settings.losses:
                    self._drain("after the kills")
                    self.sender.go_on()
                    Losses(self).live()
            self._drain("after the losses" if self.run.settings.losses else "after the kills")
        if wanted:
            self.batch.run("preparation")

    @contextmanager
    def _flowing(self) -> Iterator[None]:
        """Begin to send once everything runs; go on when a first sale is part of an answer."""
        self.sender.beacon = self.prober.hear
        speed = self.run.folder / "speed.log"
        self.await_("queries that run", lambda: QUERIES_RUN in speed.read_text(encoding="utf-8"))
        if self.generation() is None:
            self.await_("a first view", lambda: self.batch.run(STAGES))
        self.run.tell("all runs; sales are sent")
        begin = time.monotonic()
        self.sender.go_on()
        self.await_("a first sale in an answer", lambda: self.prober.fresh_after(begin) is not None)
        yield

    def generation(self) -> str | None:
        """Return the generation that is current."""
        return generation(self.context)

    def judge(self) -> None:
        """Hold everything to the oracle."""
        self.run.tell("the oracle compares")
        found, kafka = self.run.found, self.system.servers.broker.address
        log = read(kafka, project.TOPIC)
        taken = Counter(value for *_, value in log)
        for value in (self.sender.times - taken) | (taken - self.sender.times):
            found.mistake(
                "records lost or doubled by the log", f"{value!r}: {self.sender.times[value]}, {taken[value]}"
            )
        records = placed(log, self.sender.sent)
        oracle = Oracle(records, project.RULES)
        with (self.run.folder / "answers.jsonl").open("rb") as lines:
            judge_answers(found, oracle, (orjson.loads(line)["answer"] for line in lines), "answers")
            lines.seek(0)
            judge_continuity(found, (orjson.loads(line)["answer"] for line in lines))
        messages = [value for *_, value in read(kafka, topic(project.NAME, SCORES))]
        scores = judge_scores(found, oracle, records, messages, Standing(self._standing(), self.run.emptied_ms))
        for killed_s in (wall for name, wall in self.run.killed if name == "score"):
            later = [one["scored_ms"] / 1_000 - killed_s for one in scores if one["append_ms"] >= killed_s * 1_000]
            self.run.back.setdefault("score", []).extend(sorted(later)[:1])
        tables = self.context.environment.tables
        judge_raw(found, tables, log)
        if self.run.settings.publications:
            judge_prepared(found, records, oracle.copies, tables)
        judge_quarantine(found, records, [value for *_, value in read(kafka, topic(project.NAME, QUARANTINE))])
        found.figures |= self._counts(kafka)

    def _counts(self, kafka: str) -> dict[str, Any]:
        passed = self.system.passed + getattr(self.batch, "passed", Counter())
        return {
            "kills planned": self.run.plan.kills,
            "kills": len(self.run.killed),
            "killed": {name: sum(one == name for one, _ in self.run.killed) for name, _ in self.run.killed},
            "fail points": dict(passed),
            "updates that arrived twice": repeated_updates(kafka, topic(project.NAME, UPDATES)),
            "back to serving (s)": {name: [round(one, 1) for one in found] for name, found in self.run.back.items()},
            "fresh again (s)": {name: [round(one, 1) for one in found] for name, found in self.run.fresh.items()},
            "messages": dict(self.sender.kinds),
            "ended by themselves": {name: dict(one.ended) for name, one in self.system.processes.items() if one.ended},
            "publications refused": dict(getattr(self.batch, "refused", {})),
            "seconds": round(self.run.seconds, 1),
        }

    def _step(self, step: Step, number: str) -> None:
        time.sleep(step.pause_s)
        if step.targets[0] == JOIN:
            second = Process("merge2", self.run.folder / "merge2.log", self.variables)
            self.system.processes["merge2"] = second
            second.start()
            self.run.tell(f"{number}: a second merge worker joins")
            return
        if step.targets[0] == LEAVE:
            first = self.system.processes["merge"]
            self.await_(
                "the first merge worker at work, its fail points passed",
                lambda: not first.points and first.has_said("merge worker begins"),
            )
            code = self.system.processes["merge"].leave()
            self.run.tell(f"{number}: the first merge worker leaves, exit code {code}; the second one stays")
            if code != 0:
                self.run.found.mistake("exit codes", f"merge: expected 0, found {code}")
            return
        if "speed" in step.targets:
            own = topic(project.NAME, UPDATES)
            checkpoint = self.context.environment.checkpoints / QUERY
            under_way = UnderWay(self.context.environment.kafka, own, checkpoint)
            self.await_("updates that a killed query sends again", under_way)
        moment, wall, passed = time.monotonic(), time.time(), self.system.passed.total()
        for target in step.targets:
            one = "merge2" if target == "merge" and not self.system.processes["merge"].wanted else target
            self.system.kill(one, step.cut)
            self.run.killed.append((target, wall))
        named = " and ".join(step.targets)
        cut = f", {step.cut} bytes of its file cut off" if step.cut else ""
        self.run.tell(f"{number}: {named} killed{cut}")
        try:
            self.await_(f"fresh again after {step}", lambda: self.prober.fresh_after(moment) is not None, BACK_S)
        except CrashError as error:
            self.run.found.mistake("not fresh again", str(error))
        seconds, fresh = self.prober.back_after(moment) or 0.0, self.prober.fresh_after(moment) or 0.0
        also = ", and a fail point" if self.system.passed.total() > passed else ""
        if step.targets != ("score",):  # which scores tell
            self.run.back.setdefault(named + also, []).append(seconds)
            self.run.fresh.setdefault(named + also, []).append(fresh)
        self.run.tell(f"{number}: serving again after {seconds:.1f} s, fresh after {fresh:.1f} s{also}")

    @contextmanager
    def _sampling(self) -> Iterator[None]:
        settings = self.run.settings
        arguments = (str(self.run.folder), str(settings.seed), str(settings.customers), str(settings.rate))
        with (self.run.folder / "reading.log").open("wb") as log:
            sampler = subprocess.Popen(
                [sys.executable, "-m", "tests.crash.reading", *arguments], cwd=ROOT, stdin=subprocess.PIPE, stderr=log
            )
            try:
                yield
            finally:
                sampler.communicate(timeout=30)
        if sampler.returncode:
            raise CrashError(f"the sampler ended with {sampler.returncode}: {self.run.folder / 'reading.log'}")

    def _await_points(self) -> None:
        owed = {point.partition(":")[0] for own in self.run.plan.points.values() for point in own}

        def left() -> set[str]:
            return owed - set(self.system.passed) - set(getattr(self.batch, "passed", ()))

        for process in list(self.system.processes.values()):
            if process.points and process.wanted and process.starts == 1:
                process.kill()  # its next start ends at its first point
        end = min(time.monotonic() + POINTS_S, time.monotonic() + self.run.settings.limit_s - self.run.seconds)
        while left() and time.monotonic() < end:
            time.sleep(0.1)
        for point in sorted(left()):
            self.run.found.mistake("fail points not passed", point)

    def _await_views(self, publisher: Publisher, wanted: int) -> None:
        try:
            self.await_(f"{wanted} views published", lambda: len(publisher.done) >= wanted, VIEWS_S)
        except CrashError as error:
            self.run.found.mistake("views not published", str(error))
        self.run.found.figures["views published"] = len(publisher.done)

    def _drain(self, when: str) -> None:
        """Pause, and wait until every record is in raw, every entity's answer holds everything, and all is scored."""
        self.sender.pause()
        records = placed(read(self.system.servers.broker.address, project.TOPIC), self.sender.sent)
        oracle = Oracle(records, project.RULES)
        raw = self.context.environment.tables / "raw_sales"
        self._await_all("everything in raw", lambda: delta.read(raw, ["offset"]).height, len(records))
        left = {f"c|{number}": ["not asked yet"] for number in range(self.run.settings.customers)}
        compared = len(left) + SHOPS
        client = serving_client(self.context)
        client.refresh()
        fewest, end = len(left), time.monotonic() + STILL_S
        while left and time.monotonic() < end:
            if len(left) < fewest:
                fewest, end = len(left), time.monotonic() + STILL_S
            for number, name in enumerate(list(left)):
                answer = msgspec.to_builtins(ask(client, name, f"shop {number % SHOPS}", oracle.last_ms + 1))
                wrong = oracle.compare(answer, everything=True) if answer["source"] == "merged" else ["not merged"]
                left[name] = wrong
                if not wrong:
                    del left[name]
        client.close()
        self._await_scored()
        for sentences in left.values():
            self.run.found.mistake("differences", f"{when}: {sentences[0]}")
        self.run.found.figures[f"entities compared {when}"] = compared
        self.run.tell(f"{when}: {compared:,} entities compared over {len(records):,} records, {len(left)} differ")

    def _await_scored(self) -> None:
        """Wait until the scoring worker is done with every request, by the positions that it keeps."""
        topics = KafkaTopics(self.system.servers.broker.address)
        positions = Positions(self.context.keys, topics, topic(project.NAME, REQUESTS))
        client, ends = redis.Redis.from_url(self.system.servers.redis.url), positions.ends()
        self._await_all(
            "every request scored",
            lambda: sum(positions.kept(client, SCOPE, list(ends)).values()),
            sum(ends.values()),
        )

    def _standing(self) -> dict[str, bytes]:
        prefix = Keyspace(project.NAME).score("")
        client = redis.Redis.from_url(self.system.servers.redis.url)
        names = list(client.scan_iter(match=f"{prefix}*", count=5_000))
        values = client.mget(names) if names else []
        return {name.decode().removeprefix(prefix): value for name, value in zip(names, values, strict=True) if value}

    def _await_all(self, what: str, count: Callable[[], int], wanted: int) -> None:
        """Wait until there are so many, for as long as there come more.

        Raises:
            CrashError: when no more came for a while.
        """
        most, end = count(), time.monotonic() + STILL_S
        while most < wanted:
            if time.monotonic() > end:
                raise CrashError(f"{what}: expected {wanted}, found {most} for {STILL_S:g} s; logs: {self.run.folder}")
            time.sleep(3)
            if (found := count()) > most:
                most, end = found, time.monotonic() + STILL_S

    def await_(self, what: str, condition: Callable[[], bool], seconds: float = BACK_S, every: float = 0.05) -> None:
        """Wait until it is so.

        Raises:
            CrashError: when it is not in time.
        """
        end = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > end:
                raise CrashError(f"{what}: expected within {seconds:g} s; logs: {self.run.folder}")
            time.sleep(every)
