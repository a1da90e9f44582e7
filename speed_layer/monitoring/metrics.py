"""Prometheus metrics of one process of the speed layer, worked out when they are asked for."""

from __future__ import annotations

from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry, ProcessCollector, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from lambda_core.errors import MainstemError
from speed_layer.monitoring.measures import BUCKETS_MS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from speed_layer.monitoring.measures import Measures
    from speed_layer.monitoring.standing import Row

_PLACE = ("reader", "name", "topic", "partition")


class SpeedCollector(Collector):
    """Renders where a process stands and, of a worker, what became of its records.

    Args:
        rows: asks where it stands; called at every scrape, in the thread that answers it.
        measures: of a worker; None for the queries.
    """

    def __init__(self, rows: Callable[[], Sequence[Row]], measures: Measures | None = None) -> None:
        self._rows = rows
        self._measures = measures

    def describe(self) -> list[Any]:
        """Return nothing: what is told depends on servers, which registering must not wait for."""
        return []

    def collect(self) -> Iterator[Any]:
        """Yield every metric; without those of the log while it is away."""
        if self._measures is not None:
            yield from _of_worker(self._measures)
        try:
            rows = self._rows()
        except MainstemError:
            rows = ()
        yield GaugeMetricFamily("mainstem_log_answers", "1 when the log told where it ends.", value=1 if rows else 0)
        yield from _of_rows(rows)


def _of_rows(rows: Sequence[Row]) -> Iterator[Any]:
    records = GaugeMetricFamily("mainstem_lag_records", "Records that wait.", labels=_PLACE)
    seconds = GaugeMetricFamily("mainstem_lag_seconds", "Age of the oldest record that waits.", labels=_PLACE)
    position = GaugeMetricFamily("mainstem_position", "Next offset that is read.", labels=_PLACE)
    refused = CounterMetricFamily(
        "mainstem_quarantined_records", "Source records in quarantine, each once.", labels=("source", "partition")
    )
    for row in rows:
        place = (row.reader, row.name, row.topic, str(row.partition))
        records.add_metric(place, row.lag_records)
        position.add_metric(place, row.begin if row.position is None else row.position)
        if row.lag_seconds is not None:
            seconds.add_metric(place, row.lag_seconds)
        if row.quarantined is not None:
            refused.add_metric((row.name, str(row.partition)), row.quarantined)
    yield from (records, seconds, position, refused)


def _of_worker(measures: Measures) -> Iterator[Any]:
    outcomes = CounterMetricFamily(
        "mainstem_worker_records", "Records by what became of them.", labels=("worker", "partition", "outcome")
    )
    fresh = HistogramMetricFamily(
        "mainstem_worker_freshness_seconds",
        "From a source record's append time to done.",
        labels=("worker", "partition"),
    )
    for partition, own in measures.by_partition().items():
        place = (measures.worker, str(partition))
        for outcome, number in own.outcomes.items():
            outcomes.add_metric((*place, outcome), number)
        bounds = [*(str(bound_ms / 1_000) for bound_ms in BUCKETS_MS), "+Inf"]
        fresh.add_metric(
            place, list(zip(bounds, accumulate(own.buckets), strict=True)), sum_value=own.fresh_sum_ms / 1_000
        )
    waits = GaugeMetricFamily("mainstem_worker_waits", "1 while the worker cannot go on.", labels=("worker",))
    waits.add_metric((measures.worker,), 1 if measures.waits_for else 0)
    yield from (outcomes, fresh, waits)


def serve_metrics(port: int | None, collector: Collector) -> Callable[[], None]:
    """Serve a process's metrics on loopback; return what ends it. Nothing is served when no port is set."""
    if port is None:
        return lambda: None
    registry = CollectorRegistry()
    registry.register(collector)
    ProcessCollector(registry=registry)
    server, _ = start_http_server(port, addr="127.0.0.1", registry=registry)

    def end() -> None:
        server.shutdown()
        server.server_close()

    return end
