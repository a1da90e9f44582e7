"""The demo: the whole system on a year of real flights, judged by the oracle.

1. `prepare_ground`  own broker and store, empty state, the sources' files up to the cut, nothing in any topic
2. `run_stages`      raw, prepared and training rows
3. `start_query`     the query, a process in the care of the local stack, as the other parts of the running system are:
                     prepared references are all that it needs, and it plans for a while before it takes records
4. `run_stages`      what is left of the batch: a model, judged and deployed, and a published view
5. `start_system`    workers and HTTP server
6. `replay`          the messages after the cut, in event order, while a client measures freshness and one batch view
                     after the other is published, each with what has come meanwhile; messages wait for views, not views
                     for messages, so that a slow machine shows the same
7. `await_drained`   until everything sent is in raw and every departure has its score
8. `run_stages`      again: preparation and training rows over all that is in raw now
9. `judge`, report   the oracle's comparison, accounts, and the report
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

import httpx
import orjson
import polars as pl

from demo import report
from demo.freshness import Prober, watched_groups
from demo.judging import judge
from demo.kills import Kills, UnderWay
from demo.oracle import declared, delta
from demo.plants import plant
from demo.processes import Batch, DemoError, RunsStages, start, until
from demo.publications import Publications
from demo.replay import Replay, Replayed, create_topics, producer, topics, with_progress
from demo.sources import BEGIN, CUT, EVENT_SOURCES, Airports, Record, stream, write_files
from demo.stage import CONF, FEATURE_SET, MODEL, PROJECT, Place, Stage
from jobs.stages import STAGES
from lambda_core.config.loading import load_environment
from lambda_core.schemas.messages import UPDATES, topic
from local_stack import stack
from speed_layer.checkpoint import QUERY

SPEED, WORKERS = "speed", ("merge", "score", "serve")
TABLES = ("ingestion", "preparation", "training_rows")
MODEL_AND_VIEW = tuple(name for name in STAGES if name not in TABLES)
OF_EVENTS = tuple(f"--source={name}" for name in EVENT_SOURCES)
VIEW = ("preparation", "publishing", *OF_EVENTS)
AGAIN = ("preparation", "training_rows", *OF_EVENTS, f"--since={CUT}")
VIEWS_DUE, WHOLE_CYCLE_DAYS = (0.5, 0.9), 7
"""By which share of the messages a first and a second batch view have to be published while so many days are replayed;
fewer days leave no time for them."""
QUERIES_RUN = "queries run"
"""What the speed layer logs once its queries take records."""
MARKER = ".demo"


def batch_process(stage: Stage) -> Batch:
    """Return the process that runs the batch stages, as a scheduler would keep it."""
    return Batch(stage.logs / "batch.log", stage.variables, stage.console)


def run_demo(
    days: int = 7,
    rate: float = 200,
    kill: Sequence[str] = (),
    since: str = BEGIN,
    place: Place | None = None,
    batches: Callable[[Stage], AbstractContextManager[RunsStages]] = batch_process,
) -> int:
    """Run the demo; return 0 when everything is as it must be, else 1.

    Args:
        days: days of events to replay after the cut.
        rate: messages a second.
        kill: processes of the running system to kill at a random moment of the replay, each to be started again.
        since: the batch load's files begin here.
        place: folders and ports; None for the usual ones.
        batches: opens what runs the batch stages.
    """
    begin = time.monotonic()
    stage = prepare_ground(place or Place(), since)
    with batches(stage) as batch:
        run_stages(stage, batch, TABLES)
        start_query(stage)
        run_stages(stage, batch, MODEL_AND_VIEW)
        start_system(stage)
        records = plant(stream(Airports(), days))
        kills = plan_kills(stage, kill, len(records))
        prober = start_prober(stage)
        due = VIEWS_DUE if days >= WHOLE_CYCLE_DAYS else ()
        with Publications(batch, VIEW, due) as views:
            sending = Replay(producer(stage.environment.kafka), topics(CONF), prober, views.is_late)
            replayed = replay(stage, sending, records, rate, kills)
        await_drained(stage, replayed)
        fresh = prober.finish()
        run_stages(stage, batch, AGAIN)
    found = judge(stage, replayed, fresh)
    found.kills, found.views = kills.told, views.until(replayed.ended_ns)
    found.views_at_least = len(due)
    found.seconds, found.stages = time.monotonic() - begin, stage.seconds
    asked = commands(stage, records)
    written = {**report.build(found), "commands": [command for command, _ in asked]}
    report.write(written, stage.place.report)
    report.show(written, asked, stage.console)
    return 1 if written["problems"] else 0


def prepare_ground(place: Place, since: str) -> Stage:
    """Start broker and store afresh, empty the demo's own state, and write the sources' files."""
    stack.down(place.stack)
    addresses = stack.up(place.stack).as_environment()
    variables = {**addresses, "MAINSTEM_ENVIRONMENT": str(place.environment.absolute().with_suffix(""))}
    stage = Stage(place, load_environment(place.environment, {**os.environ, **variables}), variables)
    with stage.step("source files"):
        state = stage.environment.state
        if state.exists() and any(state.iterdir()) and not (state / MARKER).exists():
            raise DemoError(f"{state}: expected the demo's own state or none, found another; set MAINSTEM_STATE")
        shutil.rmtree(state, ignore_errors=True)
        state.mkdir(parents=True)
        (state / MARKER).touch()
        for source, rows in write_files(Airports(), stage.environment.data, since=since).items():
            stage.console.print(f"  {source:<12} {rows:>9,} rows")
    return stage


def run_stages(stage: Stage, batch: RunsStages, arguments: Sequence[str]) -> None:
    """Run the batch stages that are asked for."""
    with stage.step(f"batch: {' '.join(arguments)}"):
        batch.run(arguments)


def start_query(stage: Stage) -> None:
    """Start the query on topics that are empty yet."""
    with stage.step("query"):
        create_topics(stage.environment.kafka, topics(CONF).values())
        start_process(stage, SPEED)


def start_system(stage: Stage) -> None:
    """Start workers and server, and wait until each of them, and the query, says that it works."""
    with stage.step("workers, server"):
        for name in WORKERS:
            start_process(stage, name)
        until("HTTP server", lambda: _healthy(stage), log=stage.logs / "serve.log")
        log = stage.logs / f"{SPEED}.log"
        until("queries", lambda: QUERIES_RUN in log.read_text(encoding="utf-8"), log=log)


def start_process(stage: Stage, name: str) -> None:
    """Start one of the system's processes, anew after it was killed."""
    member = start(name, stage.logs / f"{name}.log", stage.variables, stage.place.stack)
    stage.members[name] = member
    stage.console.print(f"  {name:<6} pid {member.pid}, {member.log}")


def start_prober(stage: Stage) -> Prober:
    """Start the client that polls for the marked messages."""
    watched = watched_groups(declared.read(CONF, FEATURE_SET))
    redis_url = stage.environment.redis.get_secret_value()
    return Prober(watched, "demo.reading:positions_reader", [redis_url, PROJECT])


def plan_kills(stage: Stage, names: Sequence[str], messages: int) -> Kills:
    """Return the kills of the named processes; none comes before an update is under way, for the fence to refuse."""
    checkpoint = stage.environment.checkpoints / QUERY
    under_way = UnderWay(stage.environment.kafka, topic(PROJECT, UPDATES), checkpoint)
    return Kills(stage.members, names, messages, lambda name: start_process(stage, name), under_way)


def replay(stage: Stage, sending: Replay, records: Sequence[Record], rate: float, kills: Kills) -> Replayed:
    """Send the messages at the rate, and kill on the way what is to be killed."""
    with stage.step("replay"):
        replayed = with_progress(sending, records, rate, kills, stage.console)
        kills.finish()
        return replayed


def await_drained(stage: Stage, replayed: Replayed) -> None:
    """Wait until raw holds every message, and every departure that was not broken has its score."""
    with stage.step("drain"):
        tables = stage.environment.tables
        kinds = replayed.kinds["departures"]

        def drained() -> bool:
            in_raw = all(_log_rows(tables / f"raw_{source}") >= sent for source, sent in replayed.sent.items())
            return in_raw and _rows(tables / f"scores_{MODEL}") >= kinds["record"] + kinds["duplicate"]

        until("everything sent in raw, and scored", drained, 600, stage.logs / "score.log")


def commands(stage: Stage, records: Sequence[Record]) -> list[tuple[str, str]]:
    """Return commands to go on with, each with what it shows; they ask for the last departure that was replayed."""
    url = f"http://{stage.environment.api.host}:{stage.environment.api.port}"
    last = next(one for one in reversed(records) if one.source == "departures" and one.kind == "record")
    keys = " ".join(f"--key {name}={value}" for name, value in last.entity)
    moment = datetime.fromtimestamp(last.event_ms / 1000, UTC).isoformat().replace("+00:00", "Z")
    event = orjson.loads(last.value)
    asked = orjson.dumps({"model": MODEL, "t_ms": last.event_ms, "event": event}).decode()
    return [
        (f".venv/bin/mainstem ask {FEATURE_SET} {keys} --at {moment}", "The last departure's features, both views"),
        (f"curl -sS --fail-with-body {url}/score -d '{asked}'", "Its score, worked out anew"),
        (f"curl -sS --fail-with-body {url}/ready", "What answers: view, epoch, model"),
    ]


def _healthy(stage: Stage) -> bool:
    try:
        url = f"http://{stage.environment.api.host}:{stage.environment.api.port}/health"
        return httpx.get(url, timeout=1).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _rows(table: Path) -> int:
    """Return how many of the log's asking events have a score; those of files have theirs from the batch."""
    ids = delta.read(table, ["prediction_id"])
    return ids.filter(~pl.col("prediction_id").str.starts_with("file/")).n_unique()


def _log_rows(table: Path) -> int:
    return delta.read(table, ["origin"]).filter(pl.col("origin") == "log").height
