"""What tests share: one broker, one store and one Spark session for a whole run.

A server that does not come up fails the run: a test that was skipped has shown nothing.
`KAFKA_BOOTSTRAP_SERVERS` and `REDIS_URL`, where they are set, are used in place of servers of our own.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from local_stack.cluster import StoreCluster
    from tests.demo_run import Begun

os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")


_BRIEF = (
    # Most code of a test run is gone before a compiler would pay: the first one gets to what runs three times as often,
    # the optimizing one to what runs four times as often.
    "-XX:Tier3InvocationThreshold=600",
    "-XX:Tier3MinInvocationThreshold=300",
    "-XX:Tier3CompileThreshold=6000",
    "-XX:Tier4InvocationThreshold=20000",
    "-XX:Tier4MinInvocationThreshold=2400",
    "-XX:Tier4CompileThreshold=60000",
    "-XX:Tier4BackEdgeThreshold=160000",
    # Nor would deep inlining, which is most of what it costs.
    "-XX:FreqInlineSize=60",
    "-XX:InlineSmallCode=500",
    "-XX:MaxInlineLevel=5",
)
_BRIEFER = "-XX:TieredStopAtLevel=1"
"""For the JVMs of processes that tests start, a query's for instance: they are gone before its code would be hot."""
_LARGE = {"crash", "integration", "end_to_end"}
"""The folders of tests of which the slow ones come first: they wait for processes of their own, while the tests beside
have use for the processors."""


@dataclass(frozen=True)
class Endpoint:
    """Where a server is: `address` as its clients take it (`url` is the same, the word of Redis clients)."""

    address: str

    @property
    def url(self) -> str:
        return self.address


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what uses Spark, so that everything else can run beside it (see run.sh); the slow come before the large."""
    for item in items:
        if "spark" in _fixtures(item):
            item.add_marker(pytest.mark.spark)
    items.sort(key=lambda item: (not _LARGE.isdisjoint(item.path.parts), "slow" not in item.keywords))


@pytest.fixture(scope="session")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A Kafka broker for the whole run: `broker.address`. Name topics so that no other test has them."""
    given = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if given:
        yield Endpoint(given)
        return
    from local_stack.broker import Broker
    from local_stack.ports import free_port

    server = Broker(tmp_path_factory.mktemp("broker"), free_port())
    try:
        server.start()
        server.wait_ready()
        yield Endpoint(server.address)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A Redis server for the whole run: `store.url`. Name keys so that no other test has them, or clean up."""
    given = os.environ.get("REDIS_URL")
    if given:
        yield Endpoint(given)
        return
    from local_stack.ports import free_port
    from local_stack.store import Store

    server = Store(tmp_path_factory.mktemp("store"), free_port())
    try:
        server.start()
        server.wait_ready()
        yield Endpoint(server.address)
    finally:
        server.stop()


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StoreCluster]:
    """A Redis Cluster of three shards: `cluster.address`. Name keys so that no other test has them."""
    from local_stack.cluster import StoreCluster

    servers = StoreCluster(tmp_path_factory.mktemp("cluster"))
    try:
        servers.start()
        servers.wait_ready()
        yield servers
    finally:
        servers.stop()


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark session of the run, with Delta Lake and the Kafka connector; four slots, UTC."""
    from pyspark.sql import SparkSession

    from lambda_core.spark.session import ARCHIVE, JVM, LOCAL, archived, jars, tell_errors_once

    os.environ["PYSPARK_PYTHON"] = os.environ["PYSPARK_DRIVER_PYTHON"] = sys.executable
    folder = tmp_path_factory.mktemp("spark")
    settings = {
        **LOCAL,
        "spark.driver.extraClassPath": ":".join(str(jar) for jar in jars()),
        "spark.sql.warehouse.dir": str(folder / "warehouse"),
        "spark.local.dir": str(folder / "local"),
        "spark.driver.memory": "3g",
        "spark.driver.extraJavaOptions": " ".join(
            # With the classes as `make setup` keeps them, as every other session: to load them costs 15 s of processor time.
            (*JVM, *_BRIEF, *archived(ARCHIVE), f"-Dderby.system.home={folder}")
        ),
        "spark.sql.shuffle.partitions": "2",
        # To plan each exchange of a few rows anew costs more than to run it; the demo's stages do it all the same.
        "spark.sql.adaptive.enabled": "false",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
    }
    builder = SparkSession.builder.master("local[4]").appName("mainstem-tests")
    for key, value in settings.items():
        builder = builder.config(key, value)
    session = builder.getOrCreate()
    session.sparkContext.setLogLevel("ERROR")
    tell_errors_once()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAVA_TOOL_OPTIONS", _BRIEFER)
        yield session
    session.stop()


@pytest.fixture(scope="session")
def demo_begun(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Begun]:
    """A demo on its way; its system still runs when it has ended."""
    from tests.demo_run import running

    with running(spark, tmp_path_factory.mktemp("demo")) as begun:
        yield begun


@pytest.fixture(scope="session")
def demo_beside(request: pytest.FixtureRequest) -> None:
    """Begin the demo beside tests that do not use it, where tests that do will follow.

    Tests with Spark keep one processor only, half of the time. The module that asks for this comes so late that the demo
    and the tests up to its own end at about the same time.
    """
    if any("demo" in _fixtures(item) for item in request.session.items):
        request.getfixturevalue("demo_begun")


def _fixtures(item: pytest.Item) -> tuple[str, ...]:
    return tuple(getattr(item, "fixturenames", ()))
