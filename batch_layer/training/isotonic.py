"""Isotonic regression of one feature: the baseline that says what a single number knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from batch_layer.training.strategy import INPUT, OPSET, TrainingRows
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Isotonic:
    """The best rising step function of one feature, straight between its steps.

    Probabilities stay 1/(n + 2) away from 0 and 1: n rows allow no more certainty. Where the feature is missing, the
    share of ones among the training rows answers.

    Args:
        feature: name of the value, as in the vector.

    Reference: Barlow et al. (1972), Statistical Inference under Order Restrictions. Wiley.
    """

    def __init__(self, feature: str) -> None:
        self._feature = feature
        self.needs = (feature,)

    def fit(self, rows: TrainingRows, seed: int) -> FittedSteps:  # noqa: ARG002 - the contract's; nothing is drawn here
        """Return the regression of the labels on the feature.

        Raises:
            ConfigError: when the vector has no such value.
        """
        from sklearn.isotonic import IsotonicRegression  # only tasks that train load it

        if self._feature not in rows.names:
            raise ConfigError(
                f"isotonic: expected `feature` to be one of {', '.join(rows.names)}; found {self._feature!r}"
            )
        column = rows.names.index(self._feature)
        values, edge = rows.features[:, column], 1 / (len(rows.labels) + 2)
        seen = ~np.isnan(values)
        model = IsotonicRegression(out_of_bounds="clip", y_min=edge, y_max=1 - edge)
        model.fit(values[seen].astype(np.float64), rows.labels[seen])
        return FittedSteps(
            np.asarray(model.X_thresholds_, dtype=np.float64),
            np.asarray(model.y_thresholds_, dtype=np.float64),
            (column, len(rows.names)),
            float(rows.labels.mean()),
        )


class FittedSteps:
    """A function that is straight between given points and flat outside them."""

    def __init__(
        self, x: NDArray[np.float64], y: NDArray[np.float64], place: tuple[int, int], otherwise: float
    ) -> None:
        self._x, self._y, self._otherwise = x, y, otherwise
        self._column, self._width = place

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of the label being 1."""
        values = features[:, self._column].astype(np.float64)
        answer = np.interp(values, self._x, self._y)
        return np.where(np.isnan(values), self._otherwise, answer)

    def to_onnx(self) -> bytes:
        """Return the function as ONNX: y(0) + the sum over segments of slope x how far the value is into them."""
        from onnx import TensorProto, helper, numpy_helper

        lengths, rises = np.diff(self._x), np.diff(self._y)
        slopes = np.divide(rises, lengths, out=np.zeros_like(rises), where=lengths > 0)
        constants = {
            "column": np.array([self._column], dtype=np.int64),
            "starts": self._x[:-1].reshape(1, -1),
            "lengths": lengths.reshape(1, -1),
            "slopes": slopes.reshape(-1, 1),
            "zero": np.zeros(1),
            "first": self._y[:1],
            "otherwise": np.array([self._otherwise]),
        }
        nodes = [
            helper.make_node("Gather", [INPUT, "column"], ["narrow"], axis=1),
            helper.make_node("Cast", ["narrow"], ["value"], to=TensorProto.DOUBLE),
            helper.make_node("Sub", ["value", "starts"], ["past"]),
            helper.make_node("Max", ["past", "zero"], ["entered"]),
            helper.make_node("Min", ["entered", "lengths"], ["within"]),
            helper.make_node("MatMul", ["within", "slopes"], ["risen"]),
            helper.make_node("Add", ["risen", "first"], ["fitted"]),
            helper.make_node("IsNaN", ["value"], ["missing"]),
            helper.make_node("Where", ["missing", "otherwise", "fitted"], ["chosen"]),
            helper.make_node("Cast", ["chosen"], ["probability"], to=TensorProto.FLOAT),
        ]
        graph = helper.make_graph(
            nodes,
            "isotonic",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, [None, self._width])],
            [helper.make_tensor_value_info("probability", TensorProto.FLOAT, [None, 1])],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=8)
        return bytes(model.SerializeToString())
