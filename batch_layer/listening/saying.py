"""What is said of a step that was done, and how it gets onto the topic."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec

from lambda_core.errors import KafkaError
from lambda_core.repositories.log import KafkaTopics, kafka_errors, producer
from lambda_core.schemas.messages import (
    CHAIN,
    DATA_EXTRACTED,
    DATA_PREPARED,
    FEATURES_GENERATED,
    Said,
    topic,
)
from lambda_core.schemas.tables import prepared, raw

if TYPE_CHECKING:
    from collections.abc import Callable

    from batch_layer.ingestion import IngestionReport
    from batch_layer.preparation import PreparationReport
    from batch_layer.publishing import PublicationReport
    from lambda_core.context import RunContext

_FLUSH_S = 30.0


def said_of(context: RunContext, stage: str, source: str, report: Any) -> list[Said]:
    """Return the messages that tell of a stage's report; one, or one a source that was prepared."""
    making: Callable[[RunContext, str, Any], list[Said]] | None = _OF_STAGE.get(stage)
    return making(context, source, report) if making else [Said(event=f"{stage} done", source=source)]


def _extracted(context: RunContext, source: str, report: IngestionReport) -> list[Said]:
    table = raw(source)
    said = Said(
        event=DATA_EXTRACTED,
        source=source,
        batch_ids=[batch.batch_id for batch in report.batches if batch.rows],
        table=table,
        version=context.tables.version(table) if context.tables.exists(table) else None,
        rows=report.rows_added,
    )
    return [said]


def _prepared(_: RunContext, __: str, report: PreparationReport) -> list[Said]:
    return [
        Said(event=DATA_PREPARED, source=one.source, table=prepared(one.source), version=one.version, rows=one.added)
        for one in report.sources
    ]


def _generated(_: RunContext, source: str, report: PublicationReport) -> list[Said]:
    return [Said(event=FEATURES_GENERATED, source=source, view=report.generation, rows=sum(report.tiles.values()))]


_OF_STAGE: dict[str, Callable[[RunContext, str, Any], list[Said]]] = {
    "ingestion": _extracted,
    "preparation": _prepared,
    "publishing": _generated,
}


class Speaker:
    """Sends messages to the topic of the chain; each has arrived when `say` returns."""

    def __init__(self, context: RunContext) -> None:
        self._context = context
        self.topic = topic(context.project.project, CHAIN)
        self._servers = context.environment.kafka
        KafkaTopics(self._servers).create({self.topic: 1})
        self._producer = producer(self._servers)

    def say(self, said: Said) -> None:
        """Send a message, keyed by its source so that what is said of one source stays in order.

        Raises:
            KafkaError: when the broker does not take it.
        """
        stamped = msgspec.structs.replace(said, at_ms=self._context.clock.now_ms())
        with kafka_errors(self._servers):
            self._producer.produce(self.topic, msgspec.json.encode(stamped), key=said.source)
            left = self._producer.flush(_FLUSH_S)
        if left:
            raise KafkaError(
                f"topic {self.topic} at {self._servers}: expected it to take a message within {_FLUSH_S:.0f} s, found that "
                "it waits; start the broker (`mainstem up`) or correct KAFKA_BOOTSTRAP_SERVERS"
            )


def with_own_run(context: RunContext, run_id: str) -> RunContext:
    """Return a context for one run of the chain: its servers are the process's, its definition is compiled anew."""
    shared = {name: (lambda _, name=name: getattr(context, name)) for name in ("spark", "redis", "registry")}
    return replace(context, run_id=run_id, builders={**context.builders, **shared}, log=context.log.bind(run_id=run_id))
