"""The demo: the whole system on a year of real flights, judged by the oracle.

1. `prepare_ground`  own broker and store, empty state, the sources' files up to the cut, nothing in any topic
2. `batch`           every batch stage: raw to published view and deployed model
3. `start_system`    query, workers, HTTP server, each a process in the care of the local stack
4. `replay`          the messages after the cut, in event order, while a client measures freshness
5. `await_drained`   until everything sent is in raw and every departure has its score
6. `batch` again     preparation and training rows over all that is in raw now
7. `judge`, report   the oracle's comparison, accounts, and the report
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import polars as pl
from rich.console import Console

from demo import report
from demo.freshness import Freshness, Prober, watched_groups
from demo.oracle import declared, delta
from demo.oracle.accounts import accounts, disagreements
from demo.oracle.comparing import Oracle, compare, read_scores
from demo.oracle.training import compare_training
from demo.plants import plant
from demo.processes import DemoError, run_stages, start, until
from demo.replay import Replay, Replayed, create_topics, producer, topics, with_progress
from demo.sources import Airports, Record, stream, write_files
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_environment
from local_stack import stack

PROJECT, FEATURE_SET, MODEL = "flights", "departure", "late_arrival"
CONF = Path("conf") / PROJECT
REPORT = Path("build/demo-report.json")
PROCESSES = ("speed", "merge", "score", "serve")
AGAIN = ["preparation", "training_rows"]
MARKER = ".demo"


@dataclass
class Stage:
    """The demo's surroundings: addresses and folders, the console, and how long each step took."""

    environment: Environment
    variables: dict[str, str]
    console: Console = field(default_factory=Console)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def logs(self) -> Path:
        """Return the folder of the processes' logs."""
        return self.environment.state.absolute() / "logs"

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Say what begins, and keep how long it took."""
        self.console.rule(f"[bold]{name}", align="left")
        begin = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - begin


def run_demo(days: int = 7, rate: float = 200, on_sent: Callable[[int], None] | None = None) -> int:
    """Run the demo; return 0 when everything is as it must be, else 1.

    Args:
        days: days of events to replay after the cut.
        rate: messages a second.
        on_sent: called with the number of messages sent so far; crash runs end processes there.
    """
    begin = time.monotonic()
    stage = prepare_ground()
    batch(stage, [])
    start_system(stage)
    records = plant(stream(Airports(), days))
    replayed, fresh = replay(stage, records, rate, on_sent)
    await_drained(stage, replayed)
    batch(stage, AGAIN)
    found = judge(stage, replayed, fresh)
    found.seconds, found.stages = time.monotonic() - begin, stage.seconds
    written = report.build(found)
    report.write(written, REPORT)
    report.show(written, commands(stage), stage.console)
    return 1 if written["problems"] else 0


def prepare_ground() -> Stage:
    """Start broker and store afresh, empty the demo's own state, and write the sources' files."""
    stack.down()
    variables = stack.up().as_environment()
    stage = Stage(load_environment(Path("conf/environments/local.yaml"), variables), variables)
    with stage.step("source files"):
        state = stage.environment.state
        if state.exists() and any(state.iterdir()) and not (state / MARKER).exists():
            raise DemoError(f"{state}: expected the demo's own state or none, found another; set MAINSTEM_STATE")
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        (state / MARKER).touch()
        for source, rows in write_files(Airports(), stage.environment.data).items():
            stage.console.print(f"  {source:<12} {rows:>9,} rows")
    return stage


def batch(stage: Stage, stages: list[str]) -> None:
    """Run the named batch stages, or all of them."""
    with stage.step(f"batch: {', '.join(stages) or 'every stage'}"):
        run_stages(stages, stage.logs / "batch.log", stage.variables, stage.console)


def start_system(stage: Stage) -> None:
    """Start query, workers and server, and wait until each says that it works."""
    with stage.step("query, workers, server"):
        create_topics(stage.environment.kafka, topics(CONF).values())
        for name in PROCESSES:
            member = start(name, stage.logs / f"{name}.log", stage.variables)
            stage.console.print(f"  {name:<6} pid {member.pid}, {member.log}")
        until("HTTP server", lambda: _healthy(stage), log=stage.logs / "serve.log")
        checkpoints = stage.environment.checkpoints
        until("queries", lambda: _started(checkpoints), log=stage.logs / "speed.log")


def replay(
    stage: Stage, records: Sequence[Record], rate: float, on_sent: Callable[[int], None] | None = None
) -> tuple[Replayed, Freshness]:
    """Send the messages at the rate, with a client that polls for the marked ones."""
    with stage.step("replay"):
        watched = watched_groups(declared.read(CONF, FEATURE_SET))
        redis_url = stage.environment.redis.get_secret_value()
        prober = Prober(watched, "demo.reading:positions_reader", [redis_url, PROJECT])
        sending = Replay(producer(stage.environment.kafka), topics(CONF), prober)
        outcome = sending.run(records, rate, on_sent) if on_sent else with_progress(sending, records, rate)
        return outcome, prober.finish()


def await_drained(stage: Stage, replayed: Replayed) -> None:
    """Wait until raw holds every message, and every departure that was not broken has its score."""
    with stage.step("drain"):
        tables = stage.environment.tables
        kinds = replayed.kinds["departures"]

        def drained() -> bool:
            in_raw = all(_log_rows(tables / f"raw_{source}") >= sent for source, sent in replayed.sent.items())
            return in_raw and _rows(tables / f"scores_{MODEL}") >= kinds["record"] + kinds["duplicate"]

        until("everything sent in raw, and scored", drained, 180, stage.logs / "score.log")


def judge(stage: Stage, replayed: Replayed, fresh: Freshness) -> report.Findings:
    """Let the oracle compare every answer and every account."""
    with stage.step("oracle"):
        tables, data = stage.environment.tables, stage.environment.data
        oracle = Oracle.over(declared.read(CONF, FEATURE_SET), tables, data)
        scores = read_scores(tables, MODEL)
        rows = delta.read(tables / f"training_{FEATURE_SET}")
        rows = rows.filter(pl.col("prediction_key").str.starts_with(f"{PROJECT}."))
        own = accounts(oracle.records, data, replayed.sent)
        told = last_report(stage, "preparation")
        reported = {account["source"]: account for account in told.get("sources", [])}
        return report.Findings(
            accounts=own,
            comparison=compare(oracle, scores),
            training=compare_training(oracle, scores, rows),
            freshness=fresh,
            replayed=replayed,
            partitions=last_report(stage, "evaluation").get(MODEL, {}).get("partitions", {}),
            disagreements=disagreements(own, reported),
            trigger=stage.environment.speed.trigger,
        )


def last_report(stage: Stage, name: str) -> dict[str, Any]:
    """Return what a stage last reported, from the audit trail."""
    trail = stage.environment.state / "audit.jsonl"
    entries = [json.loads(line) for line in trail.read_text(encoding="utf-8").splitlines()]
    reports = [entry["report"] for entry in entries if entry["stage"] == name and entry.get("report")]
    return dict(reports[-1]) if reports else {}


def commands(stage: Stage) -> list[tuple[str, str]]:
    """Return commands to go on with, each with what it shows."""
    api = stage.environment.api
    keys = "--key origin=JFK --key dest=LAX --key carrier=DL --key tailnum=N14228"
    return [
        (f".venv/bin/mainstem ask {FEATURE_SET} {keys} --at 2013-12-08T00:00:00Z", "One flight's features, both views"),
        (f"curl -s http://{api.host}:{api.port}/health", "Is it well?"),
        (".venv/bin/mainstem status", "What runs, and where its log is (`make down` ends it)"),
    ]


def _healthy(stage: Stage) -> bool:
    try:
        url = f"http://{stage.environment.api.host}:{stage.environment.api.port}/health"
        return httpx.get(url, timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _started(checkpoints: Path) -> bool:
    """Tell whether every raw writer's and the query's checkpoint has begun."""
    return len(list(checkpoints.glob("*/metadata"))) > len(topics(CONF))


def _rows(table: Path) -> int:
    return delta.read(table, ["prediction_id"]).n_unique() if (table / "_delta_log").is_dir() else 0


def _log_rows(table: Path) -> int:
    return delta.read(table, ["origin"]).filter(pl.col("origin") == "log").height
