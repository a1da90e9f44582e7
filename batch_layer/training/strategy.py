"""The contract of an algorithm: what it is given in a Spark task, and what it hands back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

OPSET = 15
"""Version of the ONNX operators that exported models use."""
INPUT = "features"
"""Name of an exported model's only input: rows of 32-bit floats, NaN where a value is missing."""


@dataclass(frozen=True)
class TrainingRows:
    """The training rows of one partition, in a fixed order.

    Attributes:
        names: names of the vector's values, in order; the columns of `features`.
        features: one row an asking event, 32-bit floats, NaN where a value is missing.
        labels: 0 or 1, one a row.
    """

    names: list[str]
    features: NDArray[np.float32]
    labels: NDArray[np.float64]


class Fitted(Protocol):
    """A fitted model, as the training library sees it and as ONNX."""

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the library's own probabilities of the label being 1; what the ONNX model must agree with."""
        ...

    def to_onnx(self) -> bytes:
        """Return the model as ONNX: one input INPUT, last output the probability of 1 (or of every class, 1 last)."""
        ...


class Algorithm(Protocol):
    """Something that learns probabilities; built with its parameters from the settings, used inside a Spark task.

    A user's own class is named in the settings by its dotted path; it must be importable on the executors. Equal rows
    and an equal seed must give equal bytes, and one thread is all it may use: Spark runs one task a core.

    An attribute `needs`, if it has one, names the vector's values that it cannot do without; `mainstem config check` looks
    for them.
    """

    def fit(self, rows: TrainingRows, seed: int) -> Fitted:
        """Return a model of the rows.

        Raises:
            DataError: when the rows cannot be learnt from; the message says why.
        """
        ...
