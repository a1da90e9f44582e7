"""Gradient-boosted trees by LightGBM, exported so that they decide every 32-bit row alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import numpy as np

from batch_layer.training.strategy import INPUT, OPSET, TrainingRows
from lambda_core.errors import ConfigError, DataError
from lambda_core.nearest import nearest

if TYPE_CHECKING:
    from lightgbm import Booster
    from numpy.typing import NDArray

_OWN = {"n_jobs", "num_threads", "random_state", "seed", "deterministic", "objective"}


class LightGbm:
    """Gradient-boosted decision trees over histograms; missing values go the way that fitted best.

    Parameters are LightGBM's own: `n_estimators` (trees), `learning_rate` (0 to 1), `num_leaves` (a tree),
    `min_child_samples` (rows a leaf), `subsample` and `colsample_bytree` (shares, 0 to 1), and so on. Seed, threads
    and objective are set here.

    Reference: Ke et al. (2017), LightGBM: A Highly Efficient Gradient Boosting Decision Tree. NeurIPS 30.
    """

    def __init__(self, n_estimators: Any = 200, **parameters: Any) -> None:
        refused = sorted(_OWN & parameters.keys())
        if refused:
            raise ConfigError(
                f"lightgbm: expected parameters other than {', '.join(sorted(_OWN))}, found {', '.join(refused)}; "
                "the seed is the model's `seed`, and a task has one thread"
            )
        known = _names() if parameters else set()
        unknown = min(parameters.keys() - known, default=None)
        if unknown is not None:
            raise ConfigError(f"lightgbm: expected parameters of LightGBM, found {unknown!r}{nearest(unknown, known)}")
        if isinstance(n_estimators, bool) or not isinstance(n_estimators, int) or n_estimators < 1:
            raise ConfigError(
                f"lightgbm: expected `n_estimators` to be a whole number from 1 on, found {n_estimators!r}"
            )
        self._trees = n_estimators
        self._parameters = parameters

    def fit(self, rows: TrainingRows, seed: int) -> FittedTrees:
        """Return boosted trees of the rows; equal rows and an equal seed give equal trees.

        Raises:
            DataError: when LightGBM refuses the parameters or the rows.
        """
        import lightgbm  # only tasks that train load it

        settings = {
            "objective": "binary",
            "verbosity": -1,
            **self._parameters,
            "num_threads": 1,
            "seed": seed,
            "deterministic": True,
            "force_row_wise": True,
        }
        names = [f"f{place}" for place in range(len(rows.names))]
        data = lightgbm.Dataset(rows.features, rows.labels, feature_name=names)
        try:
            booster = lightgbm.train(settings, data, num_boost_round=self._trees)
        except (lightgbm.basic.LightGBMError, TypeError) as error:
            raise DataError(f"lightgbm refuses {len(rows.labels)} rows with {self._parameters}: {error}") from error
        return FittedTrees(_exact(booster), len(names))


def _names() -> set[str]:
    """Return every name that LightGBM has for a parameter; it takes others, and leaves them unused without a word."""
    from lightgbm.basic import _ConfigAliases  # only who has parameters waits for it; nothing public tells the names

    return {name for main, aliases in _ConfigAliases._get_all_param_aliases().items() for name in (main, *aliases)}  # noqa: SLF001


class FittedTrees:
    """Fitted trees whose thresholds are 32-bit floats."""

    def __init__(self, booster: Booster, width: int) -> None:
        self._booster = booster
        self._width = width

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Return the probabilities of the label being 1."""
        return np.asarray(self._booster.predict(features, num_threads=1), dtype=np.float64)

    def to_onnx(self) -> bytes:
        """Return the trees as ONNX; equal trees give equal bytes."""
        from onnxmltools import convert_lightgbm
        from onnxmltools.convert.common.data_types import FloatTensorType

        # A name of our own: the default one is random, and equal models would have other hashes.
        graph = convert_lightgbm(
            self._booster,
            name="boosted_trees",
            initial_types=[(INPUT, FloatTensorType([None, self._width]))],
            target_opset=OPSET,
            zipmap=False,
        )
        return bytes(graph.SerializeToString())


def _exact(booster: Booster) -> Booster:
    """Return the same trees with every threshold rounded down to a 32-bit float.

    LightGBM's thresholds are 64-bit numbers between two values; ONNX rounds them to 32 bits, perhaps up, onto the
    greater value, which then goes the other way. For 32-bit values, `x <= t` equals `x <= floor32(t)`.
    """
    import lightgbm

    text = booster.model_to_string()
    text = re.sub(r"^threshold=(.*)$", _floored, text, flags=re.MULTILINE)
    # The sizes of the trees' texts are no longer true; without them the text is read tree by tree.
    return lightgbm.Booster(model_str=re.sub(r"^tree_sizes=.*\n", "", text, flags=re.MULTILINE))


def _floored(line: re.Match[str]) -> str:
    return "threshold=" + " ".join(repr(floor32(float(text))) for text in line[1].split())


def floor32(value: float) -> float:
    """Return the greatest 32-bit float that is not above the value.

    Example:
        >>> floor32(0.1) <= 0.1 < floor32(0.1) + 1e-8
        True
    """
    nearest = np.float32(value)
    return float(nearest if float(nearest) <= value else np.nextafter(nearest, np.float32(-np.inf)))
