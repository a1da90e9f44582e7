"""Transformation: from values of a vector to new values of it, feature to feature; none is ever changed.

Lives here: `strategy` (the contract), `parameters` (checks that the strategies share), one file a strategy, `series` (steps in
order, over many vectors or one), `compiling` (from declared steps to a series, with every mistake told).
Reads and writes nothing: training rows and answers hand their values in, and both go through the same series.
Does not belong here: what is worked out from the asking event (`requests_sql`) or from other events (aggregations);
anything that is fitted, which is the algorithms' (training).
"""

from lambda_core.features.transformations.bins import Bins
from lambda_core.features.transformations.clip import Clip
from lambda_core.features.transformations.cyclic import Cyclic
from lambda_core.features.transformations.difference import Difference
from lambda_core.features.transformations.fill import Fill
from lambda_core.features.transformations.logarithm import Logarithm
from lambda_core.features.transformations.missing import Missing
from lambda_core.features.transformations.ratio import Ratio
from lambda_core.features.transformations.strategy import Column, Transformation

STRATEGIES: dict[str, type[Transformation]] = {
    "difference": Difference,
    "ratio": Ratio,
    "logarithm": Logarithm,
    "clip": Clip,
    "bins": Bins,
    "cyclic": Cyclic,
    "fill": Fill,
    "missing": Missing,
}
"""Every strategy by the name it has in YAML; a dotted path names one's own class."""

__all__ = ["STRATEGIES", "Column", "Transformation"]
