"""Segregation: every training row of a model gets its split, before anything is trained, and the split is recorded.

Lives here: `segregate` (the flow and its leak check), `strategy` (the contract), one file a strategy.
Reads: `training_<set>`. Writes: `split_<model>`, under an id that names rows, rule and parameters.
Does not belong here: what the rows hold (preparation), how a split is used (training, evaluation).
"""

from batch_layer.segregation.by_time import ByTime
from batch_layer.segregation.segregate import SegregationReport, segregate
from batch_layer.segregation.strategy import Strategy

STRATEGIES: dict[str, type[Strategy]] = {"by_time": ByTime}
"""Every strategy by the name it has in YAML; a dotted path names one's own class."""

__all__ = ["STRATEGIES", "ByTime", "SegregationReport", "Strategy", "segregate"]
