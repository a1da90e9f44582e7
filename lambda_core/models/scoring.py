"""Probabilities from ONNX: the same code scores a request, a batch, and the rows that judge a candidate."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile

from lambda_core.errors import ArtefactError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from lambda_core.models.manifest import Vector

_BROKEN = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf, NoSuchFile)


class Scorer(Protocol):
    """Anything that turns vectors into probabilities."""

    def score(self, vectors: Sequence[Vector]) -> list[float]:
        """Return the probability of the label being 1, one a vector, between 0 and 1."""
        ...


class OnnxScorer:
    """A model of one partition, run by onnxruntime with one thread.

    The last output of the graph holds the probabilities: one column, or one a class, of which the last is taken.
    """

    def __init__(self, content: bytes) -> None:
        options = onnxruntime.SessionOptions()
        # One row is a matter of microseconds: threads of its own would only take turns with those of the caller.
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except _BROKEN as error:
            raise ArtefactError(f"model of {len(content)} bytes: expected an ONNX graph, found {error}") from error
        self._input = self._session.get_inputs()[0].name
        self._output = self._session.get_outputs()[-1].name

    @property
    def width(self) -> int | None:
        """Return how many values a vector must have; None when the graph does not say."""
        width = self._session.get_inputs()[0].shape[-1]
        return width if isinstance(width, int) else None

    def score(self, vectors: Sequence[Vector]) -> list[float]:
        """Return the probability of the label being 1, one a vector; None counts as missing.

        Raises:
            ArtefactError: when a vector has another number of values than the model takes.
        """
        if not vectors:
            return []
        return self.score_matrix(as_matrix(vectors)).tolist()  # type: ignore[no-any-return]

    def score_matrix(self, matrix: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of rows of 32-bit floats in which NaN is missing."""
        try:
            answer = self._session.run([self._output], {self._input: matrix})[0]
        except _BROKEN as error:
            raise ArtefactError(
                f"vectors of {matrix.shape[1]} values: expected {self.width}; "
                f"the model is of another feature set: {error}"
            ) from error
        flat = answer[:, -1] if answer.ndim > 1 else answer
        return np.asarray(flat, dtype=np.float64)


class SelectingScorer:
    """A model that takes some of the vector's values, asked with whole vectors.

    Args:
        scorer: the model.
        places: of the values that it takes, in its order.
        width: how many values a whole vector has.
    """

    def __init__(self, scorer: Scorer, places: Sequence[int], width: int) -> None:
        self._scorer = scorer
        self._places = tuple(places)
        self._width = width

    def score(self, vectors: Sequence[Vector]) -> list[float]:
        """Return the probability of the label being 1, one a whole vector.

        Raises:
            ArtefactError: when a vector has another number of values than the feature set.
        """
        for vector in vectors:
            if len(vector) != self._width:
                raise ArtefactError(
                    f"vectors of {len(vector)} values: expected {self._width}; the model is of another feature set"
                )
        return self._scorer.score([[vector[place] for place in self._places] for vector in vectors])


def as_matrix(vectors: Sequence[Vector]) -> NDArray[np.float32]:
    """Return the vectors as rows of 32-bit floats; None becomes NaN.

    Example:
        >>> as_matrix([[1, None]])
        array([[ 1., nan]], dtype=float32)
    """
    return np.array(vectors, dtype=np.float64).astype(np.float32)
