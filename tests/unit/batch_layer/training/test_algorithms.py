"""Every algorithm of the menu: deterministic, refuses what it cannot learn, and converts exactly."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from batch_layer.training import STRATEGIES
from batch_layer.training.boosted_trees import LightGbm, floor32
from batch_layer.training.fitting import Plan, fit_partition
from batch_layer.training.isotonic import Isotonic
from batch_layer.training.strategy import TrainingRows
from lambda_core.config.project import Choice
from lambda_core.errors import ConfigError, DataError
from lambda_core.models.scoring import OnnxScorer

NAMES = ["delay", "wind", "age"]
SHARES = {"subsample": 0.8, "subsample_freq": 1, "colsample_bytree": 0.7}
PARAMETERS = {
    "lightgbm": {"n_estimators": 30, "num_leaves": 7, **SHARES},
    "isotonic": {"feature": "delay"},
    "logistic": {},
}


def rows(seed: int = 1, size: int = 2_000, missing: float = 0.1) -> TrainingRows:
    random = np.random.default_rng(seed)
    features = random.normal(size=(size, len(NAMES))).astype(np.float32)
    chance = 1 / (1 + np.exp(-2 * features[:, 0] + features[:, 1] ** 2))
    labels = (random.random(size) < chance).astype(np.float64)
    features[random.random(features.shape) < missing] = np.nan
    return TrainingRows(NAMES, features, labels)


def frame(seed: int = 1, size: int = 600) -> pd.DataFrame:
    made = rows(seed, size)
    data = pd.DataFrame(made.features.astype(float), columns=NAMES)
    keys = [f"k{place:05}" for place in range(size)]
    return data.assign(label=made.labels, partition_key="north", prediction_key=keys)


def plan(algorithm: Choice | None = None) -> Plan:
    chosen = algorithm or Choice(strategy="lightgbm", parameters=PARAMETERS["lightgbm"])
    baseline = Choice(strategy="isotonic", parameters=PARAMETERS["isotonic"])
    return Plan(NAMES, chosen, baseline, 7, {"model": "late", "run_id": "r1"}, attempt=1)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_equal_rows_and_an_equal_seed_give_equal_bytes(name):
    made = [STRATEGIES[name](**PARAMETERS[name]).fit(rows(), 7).to_onnx() for _ in range(2)]

    assert made[0] == made[1]


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("missing", [0.0, 0.3])
def test_onnx_answers_as_the_library_does_with_and_without_missing_values(name, missing):
    fitted = STRATEGIES[name](**PARAMETERS[name]).fit(rows(missing=missing), 7)
    asked = rows(seed=2, missing=0.4).features

    assert np.allclose(OnnxScorer(fitted.to_onnx()).score_matrix(asked), fitted.predict(asked), rtol=0, atol=1e-6)


def test_trees_decide_alike_between_neighbouring_32_bit_floats():
    """Thresholds of 64 bits lie between such values; rounded up, the greater one would go the other way."""
    ladder = [np.float32(10 / 3)]
    for _ in range(30):
        ladder.append(np.nextafter(ladder[-1], np.float32(9)))
    random = np.random.default_rng(0)
    features = random.choice(np.array(ladder, dtype=np.float32), size=(5_000, 2))
    labels = ((features[:, 0] > ladder[7]) ^ (features[:, 1] > ladder[20])).astype(np.float64)
    fitted = LightGbm(n_estimators=30, num_leaves=15).fit(TrainingRows(["a", "b"], features, labels), 1)

    assert np.allclose(OnnxScorer(fitted.to_onnx()).score_matrix(features), fitted.predict(features), rtol=0, atol=1e-6)


@pytest.mark.parametrize("value", [0.1, -0.1, 1 / 3, -1e-40, 0.0, 1e30, 2.5])
def test_rounding_down_never_rises_and_stays_next_to_the_value(value):
    assert floor32(value) <= value < float(np.nextafter(np.float32(floor32(value)), np.float32(np.inf)))


def test_the_baseline_rises_with_its_feature_and_is_never_certain():
    fitted = Isotonic("delay").fit(rows(missing=0), 0)
    asked = np.zeros((200, 3), dtype=np.float32)
    asked[:, 0] = np.linspace(-10, 10, 200)

    answers = fitted.predict(asked)

    assert (np.diff(answers) >= 0).all()
    assert answers.min() > 0
    assert answers.max() < 1


def test_the_baseline_answers_with_the_share_of_ones_where_its_feature_is_missing():
    made = rows(missing=0)

    answer = Isotonic("delay").fit(made, 0).predict(np.full((1, 3), np.nan, dtype=np.float32))

    assert answer[0] == pytest.approx(made.labels.mean())


def test_a_baseline_on_a_value_that_the_vector_lacks_names_those_it_has():
    with pytest.raises(ConfigError, match="one of delay, wind, age; found 'speed'"):
        Isotonic("speed").fit(rows(), 0)


@pytest.mark.parametrize("own", ["seed", "n_jobs", "objective"])
def test_what_the_system_sets_cannot_be_set_as_a_parameter(own):
    with pytest.raises(ConfigError, match=f"found {own}"):
        LightGbm(**{own: 1})


def test_a_parameter_that_lightgbm_refuses_is_a_sentence():
    with pytest.raises(DataError, match="lightgbm refuses 2000 rows"):
        LightGbm(num_leaves=-4).fit(rows(), 1)


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        (
            "lightgbm",
            {"learning_rat": 0.1},
            "parameters of LightGBM, found 'learning_rat'; did you mean 'learning_rate'",
        ),
        ("lightgbm", {"n_estimators": "many"}, "`n_estimators` to be a whole number from 1 on, found 'many'"),
        ("lightgbm", {"n_estimators": 0}, "from 1 on, found 0"),
        ("logistic", {"strength": "strong"}, "`strength` to be a number above 0, found 'strong'"),
        ("logistic", {"strength": 0}, "above 0, found 0"),
    ],
)
def test_a_parameter_that_makes_no_sense_is_refused_before_there_are_rows(name, parameters, said):
    with pytest.raises(ConfigError, match=said):
        STRATEGIES[name](**parameters)


def test_a_value_that_lightgbm_cannot_take_is_a_sentence():
    with pytest.raises(DataError, match=r"lightgbm refuses 2000 rows with .*num_leaves"):
        LightGbm(num_leaves={"a": 1}).fit(rows(), 1)


def test_a_partition_becomes_one_row_with_both_models_and_reference_predictions():
    made = fit_partition(frame(), plan()).iloc[0]

    reference = json.loads(made["reference"])
    assert made["error"] is None
    assert made["rows"] == 600
    assert OnnxScorer(made["content"]).score(reference["inputs"]) == pytest.approx(reference["predictions"], abs=1e-6)
    assert OnnxScorer(made["baseline"]).score([[0.5, None, None]])[0] > 0


def test_a_partition_s_model_does_not_depend_on_the_order_of_its_rows():
    shuffled = frame().sample(frac=1, random_state=3)

    assert fit_partition(frame(), plan())["sha256"].iloc[0] == fit_partition(shuffled, plan())["sha256"].iloc[0]


def test_a_partition_with_one_outcome_only_is_an_error_in_its_row():
    made = fit_partition(frame().assign(label=0.0), plan()).iloc[0]

    assert "expected training rows of both labels, found 600 rows of one" in made["error"]
    assert made["content"] is None


OWN = """
import numpy as np
from batch_layer.training.isotonic import Isotonic

class Fitted:
    def __init__(self, inner, shift):
        self.inner, self.shift = inner, shift

    def predict(self, features):
        return self.inner.predict(features) + self.shift

    def to_onnx(self):
        return self.inner.to_onnx()

class Own:
    def __init__(self, shift):
        self.shift = shift

    def fit(self, rows, seed):
        if isinstance(self.shift, type):
            raise self.shift("no way")
        return Fitted(Isotonic("delay").fit(rows, seed), self.shift)
"""


@pytest.fixture
def own_module(tmp_path, monkeypatch) -> str:
    (tmp_path / "own_algorithm.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    return "own_algorithm.Own"


def test_a_class_of_one_s_own_is_named_by_its_dotted_path(own_module):
    made = fit_partition(frame(), plan(Choice(strategy=own_module, parameters={"shift": 0.0}))).iloc[0]

    assert made["error"] is None
    assert made["sha256"] == made["baseline_sha256"]


def test_an_algorithm_that_does_not_convert_exactly_is_an_error_in_its_row(own_module):
    made = fit_partition(frame(), plan(Choice(strategy=own_module, parameters={"shift": 0.001}))).iloc[0]

    assert "this algorithm does not convert exactly" in made["error"]


@pytest.mark.parametrize("error", [TypeError, KeyError, AttributeError])
def test_whatever_a_class_of_one_s_own_raises_is_an_error_in_its_row(own_module, error):
    made = fit_partition(frame(), plan(Choice(strategy=own_module, parameters={"shift": error}))).iloc[0]

    assert made["error"].startswith(f"{error.__name__}: ")
    assert made["content"] is None


def test_an_algorithm_that_nobody_knows_is_an_error_that_names_the_menu():
    made = fit_partition(frame(), plan(Choice(strategy="lightgmb"))).iloc[0]

    assert "expected one of isotonic, lightgbm, logistic" in made["error"]


def test_an_unknown_parameter_names_the_place_in_the_settings():
    made = fit_partition(frame(), plan(Choice(strategy="isotonic", parameters={"column": "delay"}))).iloc[0]

    assert "models.late.algorithm.parameters" in made["error"]
