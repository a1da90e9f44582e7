"""Segregation: every training row of a model gets its split, before anything is trained, and the split is recorded.

Lives here: `segregate` (the flow), `strategy` (the contract), one file a strategy, `drawing` and `ranking` (what they
share), `leaks` (what a split is refused for) and `evenness` (what is told of it).
Reads: `training_<set>`. Writes: `split_<model>`, under an id that names rows, rule and parameters.
Does not belong here: what the rows hold (preparation), how a split is used (training, evaluation).
"""

from batch_layer.segregation.by_entity import ByEntity
from batch_layer.segregation.by_time import ByTime
from batch_layer.segregation.in_sequence import InSequence
from batch_layer.segregation.random import Random
from batch_layer.segregation.segregate import SegregationReport, segregate
from batch_layer.segregation.shuffled import Shuffled
from batch_layer.segregation.strategy import Strategy
from batch_layer.segregation.stratified import Stratified

STRATEGIES: dict[str, type[Strategy]] = {
    "by_time": ByTime,
    "in_sequence": InSequence,
    "random": Random,
    "shuffled": Shuffled,
    "stratified": Stratified,
    "by_entity": ByEntity,
}
"""Every strategy by the name it has in YAML; a dotted path names one's own class."""

__all__ = ["STRATEGIES", "ByTime", "SegregationReport", "Strategy", "segregate"]
