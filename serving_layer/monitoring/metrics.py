"""Prometheus metrics of one serving process, in a registry of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from lambda_core.views.ladder import LATE

if TYPE_CHECKING:
    from serving_layer.client import ServingClient

BUCKETS = (0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0)
"""Seconds: from one round trip on loopback to far beyond a deadline."""


class Metrics:
    """Counts what was answered, and shows what would be."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.answers = Counter(
            "mainstem_answers", "Answers by the rung that gave them", ["operation", "source"], registry=self.registry
        )
        self.missed_rungs = Counter(
            "mainstem_missed_rungs", "Rungs that did not answer", ["source", "reason"], registry=self.registry
        )
        self.seconds = Histogram(
            "mainstem_answer_seconds", "Time from question to answer", ["operation"],
            buckets=BUCKETS, registry=self.registry,
        )  # fmt: skip
        self.refused = Counter(
            "mainstem_http_refused", "Requests refused, by status", ["status"], registry=self.registry
        )
        self._view_age = Gauge("mainstem_view_age_seconds", "Age of the view's horizon", registry=self.registry)
        self._versions = Gauge(
            "mainstem_model_answers", "1 for the version that answers", ["model", "version"], registry=self.registry
        )
        self._refused_models = Gauge(
            "mainstem_model_refused", "1 while the version that the pointer names is refused", ["model"],
            registry=self.registry,
        )  # fmt: skip

    def missed(self, source: str, reason: str) -> None:
        """Count a rung that did not answer: late, or in error (the sentence goes to the log, not into a label)."""
        self.missed_rungs.labels(source, LATE if reason == LATE else "error").inc()

    def page(self, client: ServingClient) -> bytes:
        """Return the text that Prometheus reads."""
        age_s = view_age_seconds(client)
        if age_s is not None:
            self._view_age.set(age_s)
        self._versions.clear()
        for name, model in client.current.serving.models.items():
            if model.loaded:
                self._versions.labels(name, model.loaded.manifest.version).set(1)
            self._refused_models.labels(name).set(1 if model.refused else 0)
        return generate_latest(self.registry)


def view_age_seconds(client: ServingClient) -> float | None:
    """Return how long ago the current view's horizon was, in seconds; None while no view is known."""
    pointer = client.views.known_pointer
    if pointer is None:
        return None
    horizon_ms = pointer.current.horizon * client.project.view.period_ms
    return (client.clock.now_ms() - horizon_ms) / 1_000
