"""Scoring: requests from the log to scores, each answered once and soon.

Lives here: `handling` (what becomes of a batch of requests; pure), `predictions` (one read, then the ladder),
`outbox` (Redis and the scores topic), `score` (the worker's flow).
Reads: topic `<project>.requests`, both views and models in Redis. Writes: scores in Redis, topic `<project>.scores`.
Does not belong here: reading and merging views (core: views), running a model (core: models).
"""

from speed_layer.scoring.score import run_score

__all__ = ["run_score"]
