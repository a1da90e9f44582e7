"""What the jobs call: each blocks until SIGTERM or SIGINT, then shuts down. Each loads only what it needs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lambda_core.context import RunContext


def run_speed(context: RunContext) -> None:
    """Run the streaming query, the raw writer and the score writer in one Spark application."""
    from speed_layer.preparation import run_queries  # the workers start without Spark

    run_queries(context)


def run_merge(context: RunContext) -> None:
    """Run the merge worker: updates into Redis."""
    from speed_layer.merging import run_merge as run  # Spark's process starts without the worker

    run(context)


def run_score(context: RunContext) -> None:
    """Run the scoring worker: requests to scores."""
    from speed_layer.scoring import run_score as run  # the other processes start without ONNX

    run(context)
