"""Aggregations as small mergeable states: in Python, in Spark SQL, and as plans for the Redis script.

Lives here: `contract` (what every aggregation does), `components` (how states become text and SQL), `counts`, `sums` (sum, mean,
share), `variance` (and stddev), `extremes` (min, max), `latest` (and first), `last_n`, `histogram` (and its shares and quantiles),
`distinct`, `decayed` (decayed_sum). To add one: a subclass of `Aggregation`, an entry in `AGGREGATIONS`, its name in the
settings, its rendering in numpy (`batch_layer.preparation.reductions`), and its formula in the laws' oracle.
Reads and writes nothing: states are passed in and out.
Does not belong here: which columns and windows they run over (definition), where states are kept (views).
"""

from lambda_core.features.aggregations.components import OVERFLOW, decode_component, encode_component
from lambda_core.features.aggregations.contract import (
    INTEGER,
    Aggregation,
    Moment,
    Number,
    Scalar,
    State,
    TypeName,
    Value,
    operator_width,
)
from lambda_core.features.aggregations.counts import Count
from lambda_core.features.aggregations.decayed import DecayedSum
from lambda_core.features.aggregations.distinct import Distinct
from lambda_core.features.aggregations.extremes import Max, Min
from lambda_core.features.aggregations.histogram import CellShare, Histogram, Quantile
from lambda_core.features.aggregations.last_n import LastN
from lambda_core.features.aggregations.latest import First, Latest
from lambda_core.features.aggregations.sums import Mean, Share, Sum
from lambda_core.features.aggregations.variance import Stddev, Variance

__all__ = [
    "AGGREGATIONS",
    "INTEGER",
    "OVERFLOW",
    "Aggregation",
    "CellShare",
    "Count",
    "DecayedSum",
    "Distinct",
    "First",
    "Histogram",
    "LastN",
    "Latest",
    "Max",
    "Mean",
    "Min",
    "Moment",
    "Number",
    "Quantile",
    "Scalar",
    "Share",
    "State",
    "Stddev",
    "Sum",
    "TypeName",
    "Value",
    "Variance",
    "decode_component",
    "encode_component",
    "operator_width",
]

AGGREGATIONS: dict[str, type[Aggregation]] = {
    kind.name: kind
    for kind in (
        *(Count, Sum, Mean, Variance, Stddev, Min, Max, First, Latest, LastN),
        *(Share, Histogram, CellShare, Quantile, Distinct, DecayedSum),
    )
}
"""Every aggregation by the name it has in YAML."""
