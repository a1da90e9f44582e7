"""The speed layer: from topics to fenced updates, merged features and scores, record by record.

Lives here: `preparation` (the one streaming query), `ingestion` (raw and score tables), `merging` and `scoring` (workers
in plain Python), `monitoring` (what they measure), `worker` (the loop that both workers share),
`sharing` (who reads which partitions).
Reads: the sources' topics, the pointer in Redis. Writes: the project's own topics, raw tables, speed view, scores.
Does not belong here: what a record becomes (core: cleaning, features), how states merge (core: views).
"""

from speed_layer.running import run_merge, run_score, run_speed

__all__ = ["run_merge", "run_score", "run_speed"]
