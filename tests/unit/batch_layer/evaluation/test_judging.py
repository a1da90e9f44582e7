"""Figures beside scikit-learn's, intervals that mean what they say, and a gate that gives its reasons."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score, roc_curve

from batch_layer.evaluation.gate import reasons
from batch_layer.evaluation.judging import judge_partition
from batch_layer.evaluation.metrics import Ranking, Resampling, compare, curves, figures
from batch_layer.evaluation.plots import AXES, draw
from batch_layer.training.isotonic import Isotonic
from batch_layer.training.strategy import TrainingRows
from lambda_core.config.project import Gate

HOW = Resampling(resamples=200, confidence=0.95, seed=3)
GATE = Gate(min_auc_gain=0.02, min_log_loss_drop=0.05, min_rows=100)
GOOD = {
    "positives": 50.0,
    "auc_gain": 0.03,
    "auc_gain_low": 0.01,
    "auc_gain_high": 0.05,
    "log_loss_drop": 0.1,
    "log_loss_drop_low": 0.05,
    "log_loss_drop_high": 0.15,
}


def draw_rows(seed: int, size: int = 1_500) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, sharp probabilities and blunt ones with many ties."""
    random = np.random.default_rng(seed)
    truth = random.uniform(0.02, 0.98, size)
    labels = (random.random(size) < truth).astype(float)
    return labels, truth, np.round(0.5 + (truth - 0.5) * 0.5 + random.normal(0, 0.1, size), 1).clip(0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_figures_equal_those_of_scikit_learn(seed):
    labels, sharp, blunt = draw_rows(seed)

    for asked in (sharp, blunt):
        found = figures(labels, asked)
        assert found["auc"] == pytest.approx(roc_auc_score(labels, asked), abs=1e-12)
        assert found["log_loss"] == pytest.approx(log_loss(labels, asked.clip(1e-7, 1 - 1e-7)), abs=1e-12)
        assert found["brier"] == pytest.approx(brier_score_loss(labels, asked), abs=1e-12)


def test_weights_count_a_row_as_often_as_it_was_drawn():
    labels, sharp, _ = draw_rows(1, size=300)
    drawn = np.random.default_rng(0).integers(0, 300, 300)
    weights = np.bincount(drawn, minlength=300)[None, :].astype(float)

    assert Ranking.of(sharp).auc(labels, weights)[0] == pytest.approx(roc_auc_score(labels[drawn], sharp[drawn]))


def test_one_outcome_alone_has_no_area():
    assert np.isnan(Ranking.of(np.array([0.1, 0.2])).auc(np.ones(2), np.ones((1, 2)))).all()


def test_a_model_compared_with_itself_gains_nothing():
    labels, sharp, _ = draw_rows(2)

    assert set(compare(labels, sharp, sharp, HOW).values()) == {0.0}


def test_a_sharper_model_is_surely_ahead_and_the_blunt_one_surely_behind():
    labels, sharp, blunt = draw_rows(3)

    ahead, behind = compare(labels, sharp, blunt, HOW), compare(labels, blunt, sharp, HOW)

    for name in ("auc_gain", "log_loss_drop"):
        assert 0 < ahead[f"{name}_low"] <= ahead[name] <= ahead[f"{name}_high"]
        assert behind[f"{name}_high"] < 0


def test_equal_seeds_give_equal_intervals():
    labels, sharp, blunt = draw_rows(4)

    assert compare(labels, sharp, blunt, HOW) == compare(labels, sharp, blunt, HOW)


def test_an_interval_equals_the_one_of_plain_redrawn_rows():
    labels, sharp, blunt = draw_rows(5, size=200)
    random, found = np.random.default_rng(HOW.seed), []
    for _ in range(8):
        found += list(random.integers(0, 200, size=(25, 200)))
    gains = [roc_auc_score(labels[one], sharp[one]) - roc_auc_score(labels[one], blunt[one]) for one in found]

    assert compare(labels, sharp, blunt, HOW)["auc_gain_low"] == pytest.approx(np.quantile(gains, 0.025))


def test_the_drawn_roc_curve_goes_through_points_of_the_true_one():
    labels, sharp, _ = draw_rows(6)
    false_positive, true_positive, _ = roc_curve(labels, sharp, drop_intermediate=False)

    drawn = set(zip(*np.round(curves(labels, sharp)["roc"], 9), strict=True))

    assert drawn <= set(zip(np.round(false_positive, 9), np.round(true_positive, 9), strict=True))


def test_pictures_are_png_one_a_kind_of_curve():
    labels, sharp, blunt = draw_rows(7)
    drawn = draw({"north": {"candidate": curves(labels, sharp), "baseline": curves(labels, blunt)}}, "late")

    assert sorted(drawn) == sorted(f"plots/{kind}.png" for kind in AXES)
    assert all(content.startswith(b"\x89PNG") for content in drawn.values())


def test_a_good_candidate_has_nothing_against_it():
    assert reasons(200, GOOD, GATE) == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"auc_gain": 0.019}, "auc_gain over the baseline: expected at least 0.02, found 0.0190"),
        ({"log_loss_drop": 0.0499}, "log_loss_drop over the baseline: expected at least 0.05"),
        ({"auc_gain_low": 0.0}, "auc_gain over the baseline: expected an interval above zero"),
        ({"log_loss_drop_low": -0.1}, "log_loss_drop over the baseline: expected an interval above zero"),
        ({"champion_auc_gain_low": -0.2, "champion_auc_gain_high": -0.1}, "over the champion"),
        ({"auc_gain": float("nan")}, "expected at least 0.02, found nan"),
    ],
)
def test_each_shortcoming_is_told_with_its_figures(change, said):
    against = reasons(200, {**GOOD, **change}, GATE)

    assert len(against) == 1
    assert said in against[0]


@pytest.mark.parametrize(("rows", "positives"), [(99, 50), (200, 0), (200, 200), (0, 0)])
def test_too_few_rows_or_outcomes_cannot_promote(rows, positives):
    assert "expected at least 100 held-out rows" in reasons(rows, {**GOOD, "positives": positives}, GATE)[0]


def test_a_champion_that_might_be_as_good_does_not_stop_the_candidate():
    assert reasons(200, {**GOOD, "champion_auc_gain_low": -0.2, "champion_auc_gain_high": 0.0}, GATE) == []


def baseline() -> bytes:
    delay = np.arange(60, dtype=np.float32)
    labels = (delay > 30).astype(float)
    labels[::5] = 1 - labels[::5]
    return Isotonic("delay").fit(TrainingRows(["delay"], delay[:, None], labels), 0).to_onnx()


def two_values() -> TrainingRows:
    delay = np.arange(60, dtype=np.float32)
    labels = (delay > 30).astype(float)
    labels[::5] = 1 - labels[::5]
    return TrainingRows(["age", "delay"], np.stack([np.ones(60, dtype=np.float32), delay], axis=1), labels)


def held_out(size: int) -> pd.DataFrame:
    delay = np.arange(size, dtype=float)
    keys = [f"k{place:03}" for place in range(size)]
    return pd.DataFrame({"partition_key": "north", "prediction_key": keys, "label": delay % 2, "delay": delay})


def models(champion: bytes | None) -> pd.DataFrame:
    row = {"partition_key": "north", "candidate": baseline(), "baseline": baseline(), "champion": champion}
    row |= {"inputs": ["delay"], "champion_inputs": None if champion is None else ["delay"]}
    return pd.DataFrame([row])


def test_every_model_is_judged_on_the_same_rows_in_any_order():
    rows = held_out(60)
    one = judge_partition(rows, models(baseline()), ["delay"], HOW)
    other = judge_partition(rows.sample(frac=1, random_state=1), models(baseline()), ["delay"], HOW)

    found = json.loads(one["figures"].iloc[0])
    assert one["figures"].iloc[0] == other["figures"].iloc[0]
    assert found["auc"] == found["baseline_auc"] == found["champion_auc"]
    assert found["champion_auc_gain"] == 0


def test_models_are_asked_with_the_values_that_each_takes():
    rows, asked = held_out(60).assign(age=-1.0), models(baseline())
    rows["label"] = (rows["delay"] > 25).astype(float)
    asked["baseline"] = [Isotonic("delay").fit(two_values(), 0).to_onnx()]

    found = json.loads(judge_partition(rows, asked, ["age", "delay"], HOW)["figures"].iloc[0])

    assert found["auc"] == found["champion_auc"] == found["baseline_auc"] > 0.9


def test_a_champion_that_takes_a_value_of_another_vector_is_left_out():
    asked = models(baseline())
    asked["champion_inputs"] = [["speed"]]

    found = json.loads(judge_partition(held_out(60), asked, ["delay"], HOW)["figures"].iloc[0])

    assert not [name for name in found if name.startswith("champion")]


def test_without_a_champion_there_are_no_figures_of_one():
    found = json.loads(judge_partition(held_out(60), models(None), ["delay"], HOW)["figures"].iloc[0])

    assert not [name for name in found if name.startswith("champion")]


def test_a_model_without_held_out_rows_is_judged_as_having_none():
    judged = judge_partition(held_out(0), models(None), ["delay"], HOW)

    assert judged["rows"].iloc[0] == 0
    assert json.loads(judged["figures"].iloc[0]) == {}


def test_held_out_rows_without_a_model_are_not_judged():
    assert judge_partition(held_out(10), models(None).iloc[:0], ["delay"], HOW).empty
