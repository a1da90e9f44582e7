"""Evaluation: candidate, baseline and champion on the same held-out rows, and a verdict that deployment obeys.

Lives here: `evaluate` (the flow), `judging` (what a Spark task does with one partition's rows), `metrics` (figures,
curves and the paired bootstrap), `gate` (figures to reasons), `plots` (pictures for the registry).
Reads: `training_<feature set>`, `split_<model>`, `candidates_<model>`. Writes: `verdicts_<model>`, figures, pictures
and the version in the registry.
Does not belong here: moving the alias or the pointer (deployment).
"""

from batch_layer.evaluation.evaluate import EvaluationReport, evaluate

__all__ = ["EvaluationReport", "evaluate"]
