"""The broker: one Kafka node on loopback, its own controller, with no container and nothing beside its folder."""

from __future__ import annotations

import base64
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from lambda_core.spark.session import archived
from local_stack import jars
from local_stack.ports import LOOPBACK, free_port, is_open
from local_stack.server import Server, ServerError

USUAL_PORT = 9092
ARCHIVE = jars.FOLDER / "broker.jsa"
"""Its classes as a JVM keeps them in memory, made by `make setup`."""
FORMAT_SECONDS = 60.0
JVM = (
    "-Xmx512m",
    # It lives for hours at most and serves one machine: it starts in two thirds of the time, and costs half as much.
    "-XX:TieredStopAtLevel=1",
    "-XX:+UseSerialGC",
)

# Each line differs from Kafka's default, and says why.
_SETTINGS = """\
process.roles=broker,controller
node.id=1
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=PLAINTEXT
# One node: nothing can be kept twice.
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
# One machine: fewer files to open at every start.
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
share.coordinator.state.topic.num.partitions=1
log.cleaner.dedupe.buffer.size=16777216
# A new consumer works at once.
group.initial.rebalance.delay.ms=0
# After a crash the node may register again when its former session has ended (default 9 s).
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000
# Records of a replay are old by their own clock: age deletes nothing here.
log.retention.ms=-1
# A topic is made by who declares its partitions, never by a misspelt name.
auto.create.topics.enable=false
"""


class Broker(Server):
    """A single Kafka node in KRaft mode. Topics have to be created: a misspelt name is an error, not a new topic."""

    name = "broker"

    def _prepare(self) -> None:
        controller = f"{LOOPBACK}:{free_port()}"
        lines = [
            f"listeners=PLAINTEXT://{self.address},CONTROLLER://{controller}",
            f"advertised.listeners=PLAINTEXT://{self.address},CONTROLLER://{controller}",
            f"controller.quorum.voters=1@{controller}",
            f"log.dirs={self.folder / 'data'}",
        ]
        self._settings.write_text(_SETTINGS + "\n".join(lines) + "\n", encoding="utf-8")
        if not (self.folder / "data" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        command = [*_java(), "kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", str(self._settings)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=FORMAT_SECONDS)
        if done.returncode:
            said = f"{done.stdout}{done.stderr}".strip()
            raise ServerError(f"broker: {self.folder} could not be formatted (exit {done.returncode}): {said}")

    def _command(self) -> list[str]:
        return [*_java(), "kafka.Kafka", str(self._settings)]

    def _answers(self) -> bool:
        if not is_open(self.port):
            return False
        try:
            return bool(AdminClient({"bootstrap.servers": self.address, "log_level": 0}).list_topics(timeout=5).brokers)
        except KafkaException:
            return False  # it listens, but is not registered yet

    @property
    def _settings(self) -> Path:
        return self.folder / "server.properties"


def _java() -> list[str]:
    logging = Path(__file__).with_name("log4j2.properties")
    class_path = ":".join(str(path) for path in jars.class_path("broker"))
    return [jars.java(), *JVM, *archived(ARCHIVE), f"-Dlog4j2.configurationFile={logging}", "-cp", class_path]
