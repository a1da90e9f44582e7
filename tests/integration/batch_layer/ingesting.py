"""Processes that ingest the same records through the JVM of the tests: real locks, commits and kills without a Spark each.

Run as a program: `python -m tests.integration.batch_layer.ingesting '<json>'`, with the JVM's `port` and `token`, the
`project`, the folders `state` and `data`, the broker's address `kafka`, how many records of a topic each process reads at
once (`cuts`; empty where there is none), and for each process where it ends (`ends`: a fail point, or "" for nowhere).
Those that end nowhere begin when the first of the others has ended, else they would leave nothing to do. With `unguarded` no process looks whether anybody else did its work, or is doing it.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project

NOW = 1_700_000_000_000
PROGRAM = "tests.integration.batch_layer.ingesting"
ROOT = Path(__file__).parents[3]


def one_source(spark, folder, kafka="", **origin):
    """A context of one source, which is the CSV files of the folder where nothing else is said."""
    source = {
        "kind": "reference",
        "columns": {"id": {"type": "string"}},
        "unique_key": ["id"],
        **(origin or {"files": {"path": "*.csv"}}),
    }
    project = Project.model_validate({"project": "shop", "sources": {"orders": source}})
    made = assemble(project, Environment(state=folder / "state", data=folder, kafka=kafka), FixedClock(NOW))
    made.builders["spark"] = lambda _: spark
    return made


def ingest_at_the_same_time(context, ends, *, cuts=(), unguarded=False):
    """Start one process for each of `ends`; return their exit codes, below zero for signals."""
    parameters = context.spark.sparkContext._gateway.gateway_parameters
    told = {
        "port": parameters.port,
        "token": parameters.auth_token,
        "project": context.project.model_dump(mode="json", by_alias=True),
        "state": str(context.environment.state),
        "data": str(context.environment.data),
        "kafka": context.environment.kafka,
        "ends": ends,
        "cuts": cuts,
        "unguarded": unguarded,
    }
    command = [sys.executable, "-m", PROGRAM, json.dumps(told)]
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True, timeout=250)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def main():
    """Fork the processes, let them go together, and print how each ended."""
    import batch_layer.ingestion  # once for all of them

    assert batch_layer.ingestion
    told = json.loads(sys.argv[1])
    doomed, living = os.pipe(), os.pipe()
    children = {}
    for place, point in enumerate(told["ends"]):
        gate, _ = doomed if point else living
        child = os.fork()
        if child == 0:
            os.close(doomed[1])
            os.close(living[1])
            for cut in told["cuts"][place : place + 1]:
                told["project"]["sources"]["orders"]["ranges"]["most_records"] = cut
            _ingest(told, point, gate)
        children[child] = place
    os.close(doomed[1])  # when nobody has the other end any more, whoever reads goes on
    codes = {}
    if any(told["ends"]):
        _wait_for_one(children, codes)
    os.close(living[1])
    while len(codes) < len(children):
        _wait_for_one(children, codes)
    sys.stdout.write(json.dumps([codes[place] for place in range(len(codes))]))


def _wait_for_one(children, codes):
    child, status = os.wait()
    codes[children[child]] = os.waitstatus_to_exitcode(status)


def _ingest(told, point, gate):
    from batch_layer.ingestion import ingest
    from lambda_core import fail_points

    code = 1
    try:
        environment = Environment(state=Path(told["state"]), data=Path(told["data"]), kafka=told["kafka"])
        context = assemble(Project.model_validate(told["project"]), environment, FixedClock(NOW))
        context.builders["spark"] = lambda _: _attached(told["port"], told["token"])
        assert context.tables
        if told["unguarded"]:
            _unguard()
        fail_points.arm(point)
        os.read(gate, 1)
        ingest(context)
        code = 0
    finally:
        sys.stderr.flush()
        os._exit(code)


def _attached(port, token):
    """Return a session over the JVM that listens there, which keeps running when this process ends."""
    os.environ |= {"PYSPARK_GATEWAY_PORT": str(port), "PYSPARK_GATEWAY_SECRET": token}
    from pyspark import SparkConf, SparkContext
    from pyspark.java_gateway import launch_gateway
    from pyspark.sql import SparkSession

    gateway = launch_gateway()
    running = gateway.jvm.org.apache.spark.SparkContext.getOrCreate()
    java = gateway.jvm.org.apache.spark.api.java.JavaSparkContext.fromSparkContext(running)
    return SparkSession(SparkContext(gateway=gateway, jsc=java, conf=SparkConf(_jconf=java.getConf())))


def _unguard():
    from batch_layer.ingestion.known import Known
    from lambda_core.repositories.raw_log import RawLog
    from lambda_core.repositories.tables import DeltaTables

    append, append_files, count = DeltaTables.append, DeltaTables.append_files, itertools.count()
    Known.of = classmethod(lambda cls, *_: cls())
    Known.look_again = lambda *_: None
    sys.modules["batch_layer.ingestion.ingest"].FileLock = lambda _: contextlib.nullcontext()
    RawLog.lock = lambda _: contextlib.nullcontext()
    RawLog.positions = lambda _: {}

    def nobody():
        return f"nobody-{os.getpid()}-{next(count)}", 1

    DeltaTables.append = lambda self, name, frame, transaction=None, note=None: append(self, name, frame, nobody())
    DeltaTables.append_files = lambda self, name, files, schema, transaction: append_files(
        self, name, files, schema, nobody()
    )


if __name__ == "__main__":
    main()
