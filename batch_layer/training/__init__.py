"""Training: one model a partition, fitted, exported and checked where its rows are; beside it the baseline.

Lives here: `train` (the flow), `strategy` (the contract of an algorithm), one file an algorithm, `fitting` (what a
Spark task does with one partition's rows).
Reads: `training_<feature set>`, `split_<model>`. Writes: `candidates_<model>`, and the run in the registry.
Does not belong here: which of the vector's values a model takes (selection), judging a candidate (evaluation), anything
that needs the test rows.
"""

from batch_layer.training.boosted_trees import LightGbm
from batch_layer.training.isotonic import Isotonic
from batch_layer.training.logistic import Logistic
from batch_layer.training.strategy import Algorithm
from batch_layer.training.train import TrainingReport, train

STRATEGIES: dict[str, type[Algorithm]] = {"lightgbm": LightGbm, "isotonic": Isotonic, "logistic": Logistic}

__all__ = ["STRATEGIES", "TrainingReport", "train"]
