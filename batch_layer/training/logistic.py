"""Logistic regression on standardised values: small, quick, and often enough."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from batch_layer.training.strategy import INPUT, OPSET, TrainingRows
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class Logistic:
    """Logistic regression; a missing value counts as the training rows' mean.

    Args:
        strength: inverse of the regularisation (above 0; greater fits closer).

    Reference: Cox (1958), The Regression Analysis of Binary Sequences. JRSS B 20.
    """

    def __init__(self, strength: Any = 1.0) -> None:
        if isinstance(strength, bool) or not isinstance(strength, int | float) or not strength > 0:
            raise ConfigError(f"logistic: expected `strength` to be a number above 0, found {strength!r}")
        self._strength = strength

    def fit(self, rows: TrainingRows, seed: int) -> FittedLogistic:
        """Return the regression of the labels on all values."""
        from sklearn.impute import SimpleImputer  # only tasks that train load it
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline
        from sklearn.preprocessing import StandardScaler

        pipeline = make_pipeline(
            SimpleImputer(keep_empty_features=True),
            StandardScaler(),
            LogisticRegression(C=self._strength, random_state=seed, max_iter=1_000),
        )
        return FittedLogistic(pipeline.fit(rows.features, rows.labels), len(rows.names))


class FittedLogistic:
    """A fitted pipeline of scikit-learn."""

    def __init__(self, pipeline: Any, width: int) -> None:
        self._pipeline = pipeline
        self._width = width

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of the label being 1."""
        return np.asarray(self._pipeline.predict_proba(features)[:, 1], dtype=np.float64)

    def to_onnx(self) -> bytes:
        """Return the pipeline as ONNX."""
        from skl2onnx import convert_sklearn
        from skl2onnx.common.data_types import FloatTensorType

        graph = convert_sklearn(
            self._pipeline,
            name="logistic",
            initial_types=[(INPUT, FloatTensorType([None, self._width]))],
            target_opset=OPSET,
            options={"zipmap": False},
        )
        return bytes(graph.SerializeToString())
