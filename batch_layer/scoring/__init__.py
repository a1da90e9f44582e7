"""Batch scoring: the deployed version over asking events in Spark tasks, by the scorer that answers online too.

Lives here: `score` (the flow), `scoring_rows` (what a Spark task does with its rows).
Reads: `training_<feature set>`, `split_<model>`, the model store. Writes: `scores_<model>`, once a prediction id.
Does not belong here: how a vector becomes a score (the core's models).
"""

from batch_layer.scoring.score import ScoringReport, score

__all__ = ["ScoringReport", "score"]
