"""Where each reader of a topic stands, a partition: the query and the writers by their checkpoints, workers by what they keep.

    query   the streaming query on the topics of events: where its newest checkpoint ends. In Real-Time Mode it is ahead of
            that by up to one trigger.
    raw     the raw writers on the topics of all sources, and `scores`, the score writer: what is in their tables for good
    merge   the merge worker on the updates: the position kept beside the data, of each epoch that it writes
    score   the scoring worker on the requests

A partition that a reader has not begun counts from the begin of the log.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from lambda_core.repositories.log import KafkaTopics
from lambda_core.schemas.messages import QUARANTINE, REQUESTS, SCORES, UPDATES, topic
from speed_layer.checkpoint import QUERY
from speed_layer.monitoring.figures import PartitionFigures
from speed_layer.monitoring.lag import lags, oldest_of
from speed_layer.monitoring.progress import newest
from speed_layer.topics import source_topics

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lambda_core.context import RunContext
    from lambda_core.repositories.log import Topics
    from speed_layer.monitoring.lag import Oldest
    from speed_layer.monitoring.quarantined import Tally

ANSWER_S = 5.0


class Row(msgspec.Struct, frozen=True):
    """One reader on one partition.

    Attributes:
        reader: see the module. name: the source that the topic is of, or the epoch; else empty.
        position: next offset; None when none was kept yet, which counts as the log's begin. begin, end: of the log.
        lag_records: how many wait. lag_seconds: age of the oldest of them, since its source record was appended; 0 when
            none waits, None when it could not be read.
        figures: what the workers that read it measured. quarantined: records of a source partition, each once.
    """

    reader: str
    name: str
    topic: str
    partition: int
    position: int | None
    begin: int
    end: int
    lag_records: int
    lag_seconds: float | None
    figures: PartitionFigures | None = None
    quarantined: int | None = None


@dataclass(frozen=True)
class Ground:
    """What rows are made from: settings, the log, and what reads its records."""

    context: RunContext
    topics: Topics
    oldest: Oldest

    def rows(self, reader: str, name: str, place: str, positions: Mapping[int, int | None]) -> list[Row]:
        """Return one row a partition of a topic.

        Raises:
            KafkaError: when the broker is away. PositionError: when there is no such topic.
        """
        found = lags(self.topics, self.oldest, place, positions, self.context.clock.now_ms())
        return [
            Row(reader, name, place, p, positions.get(p), lag.begin, lag.end, lag.records, lag.seconds)
            for p, lag in sorted(found.items())
        ]

    def query(self, tally: Tally) -> list[Row]:
        """Return where the query stands on the topics of events, with what it quarantined."""
        progress = newest(self.context.environment.checkpoints / QUERY)
        stands = progress.positions if progress else {}
        return [
            msgspec.structs.replace(row, quarantined=tally.of(source, row.partition))
            for source, place in source_topics(self.context.project, "event").items()
            for row in self.rows("query", source, place, stands.get(place, {}))
        ]

    def raw(self) -> list[Row]:
        """Return where the raw writers stand."""
        sources = source_topics(self.context.project).items()
        return [row for name, place in sources for row in self._written("raw", name, place, f"raw-{name}")]

    def scores(self) -> list[Row]:
        """Return where the score writer stands; nothing where the project has no models."""
        place = topic(self.context.project.project, SCORES)
        return self._written("scores", "", place, place) if self.context.project.models else []

    def _written(self, reader: str, name: str, place: str, folder: str) -> list[Row]:
        progress = newest(self.context.environment.checkpoints / folder)
        return self.rows(reader, name, place, progress.positions.get(place, {}) if progress else {})


def ground_of(context: RunContext) -> Ground:
    """Return the ground of the context's servers."""
    servers, name = context.environment.kafka, context.project.project
    own = {topic(name, kind) for kind in (UPDATES, REQUESTS, SCORES, QUARANTINE)}
    return Ground(context, KafkaTopics(servers, ANSWER_S), oldest_of(servers, own))
