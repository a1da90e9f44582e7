"""Redis loses what it held while everything runs: emptied, and put back to an older state of its file.

1. Emptied: no answer is `merged` until a view was published anew; readiness is red; the worker stops applying. An operator
   deploys the model again and publishes, which makes a new epoch; the worker fills it from the log.
2. Put back: what Redis holds is all that it held at an earlier moment. No answer is `merged`, and readiness is red, until
   the worker, which goes back to the positions kept there, has caught up from the log; nobody has to do anything.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Self

import msgspec
import redis

from lambda_core.errors import MainstemError
from tests.crash.judging import judge_continuity
from tests.crash.model import deploy
from tests.crash.reading import ask, serving_client
from tests.crash.sales import T0_MS

if TYPE_CHECKING:
    from lambda_core.schemas.messages import Answer
    from serving_layer.client import ServingClient
    from tests.crash.world import World

ASKED = 100
"""So many customers are asked for before a loss, and again and again after it."""
NOTICED_S = 5.0
REBUILT_S = 600.0


class Growth:
    """How many keys Redis holds, asked for all the time: how fast it is filled again."""

    def __init__(self, url: str) -> None:
        self._client = redis.Redis.from_url(url)
        self.seen: list[tuple[float, int]] = []
        self._stop = Event()
        self._thread = Thread(target=self._count, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *raised: object) -> None:
        self._stop.set()
        self._thread.join()

    def fastest(self, seconds: float = 0.5) -> int:
        """Return the most keys a second that came over so many seconds."""
        rates = [0.0]
        start = 0
        for moment, keys in self.seen:
            while moment - self.seen[start][0] > seconds:
                start += 1
            passed = moment - self.seen[start][0]
            rates += [(keys - self.seen[start][1]) / passed] if passed > seconds / 2 else []
        return round(max(rates))

    def _count(self) -> None:
        while not self._stop.wait(0.02):
            with suppress(redis.RedisError):
                self.seen.append((time.monotonic(), self._client.dbsize()))


class Losses:
    """The two losses, one after the other; figures and mistakes go to the run."""

    def __init__(self, world: World) -> None:
        self._world, self._found = world, world.run.found
        self._store = world.system.servers.redis

    def live(self) -> None:
        """Empty Redis, then put it back to what it was a view ago."""
        flush = redis.Redis.from_url(self._store.url).flushall
        self._lose("emptied", lambda: flush(asynchronous=True), is_gone=True)
        data, older = self._store.folder / "data", self._store.folder / "older"
        redis.Redis.from_url(self._store.url).config_set("auto-aof-rewrite-percentage", 0)
        self._world.await_("a file that nobody rewrites", lambda: not self._rewrites())
        shutil.copytree(data, older)
        generation = self._generation()
        self._world.await_("another view", lambda: self._generation() not in {None, generation}, REBUILT_S)
        time.sleep(2)

        def put_back() -> None:
            self._store.kill()
            shutil.rmtree(data)
            shutil.copytree(older, data)
            self._store.start()

        self._lose("put back to an older state", put_back, is_gone=False)

    def _lose(self, how: str, lose: Callable[[], object], *, is_gone: bool) -> None:
        """Lose, and watch what readers, readiness and the worker say of it until a new sale is part of an answer."""
        client, before = serving_client(self._world.context), self._generation()
        client.refresh()
        worker = next(one for one in self._world.system.processes.values() if one.name[:5] == "merge" and one.wanted)
        told = worker.log.stat().st_size
        answers = [self._ask(client, number) for number in range(ASKED)]
        with Growth(self._store.url) as growth:
            lose()
            lost = deploy_at = time.monotonic()
            if is_gone:
                self._world.run.emptied_ms = int(time.time() * 1_000)
            moments: dict[str, float] = {}
            while "serving again" not in moments:
                if time.monotonic() > lost + REBUILT_S:
                    self._found.mistake("not rebuilt", how)
                    break
                self._look(client, moments, answers, before if is_gone else None)
                said = worker.log.read_bytes()[told:]
                if b"merge worker waits" in said or b"worker waits for its servers" in said:
                    moments.setdefault("noticed by the worker", time.monotonic())
                if self._world.prober.back_after(lost) is not None:
                    moments["serving again"] = time.monotonic()
                if is_gone and time.monotonic() > deploy_at:
                    deploy_at = time.monotonic() + 2
                    deploy(redis.Redis.from_url(self._store.url))  # as an operator does, who publishes, too
                time.sleep(0.02)
        client.close()
        seconds = {name: round(moment - lost, 2) for name, moment in moments.items()}
        for who in ("readiness red", "noticed by readers", "noticed by the worker"):
            if seconds.get(who, REBUILT_S) > NOTICED_S:
                self._found.mistake("losses noticed late", f"{how}: {who} after {seconds.get(who)} s")
        judge_continuity(self._found, map(msgspec.to_builtins, answers))
        sources = Counter(answer.source for answer in answers[ASKED:])
        figures = {**seconds, **{f"answers {source}": count for source, count in sources.items()}}
        self._found.figures[how] = {**figures, "keys": growth.seen[-1][1], "keys a second": growth.fastest()}
        self._world.run.tell(f"Redis {how}: {self._found.figures[how]}")

    def _look(self, client: ServingClient, moments: dict[str, float], answers: list[Answer], lost: str | None) -> None:
        """Ask once; an answer that is merged from the generation that was lost is a mistake."""
        if client.current.unready():
            moments.setdefault("readiness red", time.monotonic())
        with suppress(MainstemError):
            answer = self._ask(client, len(answers) % ASKED)
            answers.append(answer)
            if answer.source != "merged":
                moments.setdefault("noticed by readers", time.monotonic())
            elif answer.generation == lost:
                self._found.mistake("answers merged from what was lost", str(answer.generation))

    @staticmethod
    def _ask(client: ServingClient, number: int) -> Answer:
        return ask(client, f"c|{number}", "shop 0", T0_MS)

    def _generation(self) -> str | None:
        return self._world.generation()

    def _rewrites(self) -> bool:
        info = redis.Redis.from_url(self._store.url).info("persistence")
        return bool(info["aof_rewrite_in_progress"] or info["aof_rewrite_scheduled"])
