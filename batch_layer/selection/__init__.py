"""Selection: which of a vector's values a model takes; a list of names in, a shorter list in the same order out.

Lives here: `strategy` (the contract), `select` (one strategy after the other), one file a strategy, `binning` (values as
a few categories, which two of them share).
Reads: the training rows of one partition, inside the task that trains on them. Writes nothing: the list is recorded with
the candidate, in the registry and in the manifest.
Does not belong here: the test rows, ever; how a value comes about (features).
"""

from batch_layer.selection.chi_squared import ChiSquared
from batch_layer.selection.correlation import Correlation
from batch_layer.selection.mutual_information import MutualInformation
from batch_layer.selection.strategy import Selection
from batch_layer.selection.variance import Variance

STRATEGIES: dict[str, type[Selection]] = {
    "chi_squared": ChiSquared,
    "mutual_information": MutualInformation,
    "correlation": Correlation,
    "variance": Variance,
}
"""Every strategy by the name it has in YAML; a dotted path names one's own class."""

__all__ = ["STRATEGIES", "Selection"]
