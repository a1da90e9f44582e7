"""Aggregations as small mergeable states: in Python, in Spark SQL, and as plans for the Redis script.

Lives here: `contract` (what every aggregation does), `components` (how states become text and SQL), `counts`, `sums` (sum, mean),
`variance`, `extremes` (min, max), `latest`. To add one: a subclass of `Aggregation`, an entry in `AGGREGATIONS`.
Reads and writes nothing: states are passed in and out.
Does not belong here: which columns and windows they run over (definition), where states are kept (views).
"""

from lambda_core.features.aggregations.components import OVERFLOW, decode_component, encode_component
from lambda_core.features.aggregations.contract import INTEGER, Aggregation, Moment, Number, State, TypeName, Value
from lambda_core.features.aggregations.counts import Count
from lambda_core.features.aggregations.extremes import Max, Min
from lambda_core.features.aggregations.latest import Latest
from lambda_core.features.aggregations.sums import Mean, Sum
from lambda_core.features.aggregations.variance import Variance

__all__ = [
    "AGGREGATIONS",
    "INTEGER",
    "OVERFLOW",
    "Aggregation",
    "Count",
    "Latest",
    "Max",
    "Mean",
    "Min",
    "Moment",
    "Number",
    "State",
    "Sum",
    "TypeName",
    "Value",
    "Variance",
    "decode_component",
    "encode_component",
]

AGGREGATIONS: dict[str, type[Aggregation]] = {
    kind.name: kind for kind in (Count, Sum, Mean, Variance, Min, Max, Latest)
}
"""Every aggregation by the name it has in YAML."""
