"""Every selection of the menu: a shorter list in the vector's order, out of the training rows alone, whatever theirs."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from batch_layer.selection import STRATEGIES
from batch_layer.selection.select import made_selections, select
from batch_layer.training.fitting import Plan, fit_partition
from batch_layer.training.strategy import TrainingRows
from lambda_core.config.project import Choice
from lambda_core.errors import ConfigError, DataError
from lambda_core.models.scoring import OnnxScorer

NAMES = ["noise", "tells", "same", "twin", "gone", "hill"]
PARAMETERS = {
    "chi_squared": {"keep": 3},
    "mutual_information": {"keep": 3},
    "correlation": {"min_score": 0.2, "max_between": 0.9},
    "variance": {},
}
EXPECTED = {
    "chi_squared": ["tells", "twin", "hill"],
    "mutual_information": ["tells", "twin", "hill"],
    "correlation": ["tells"],
    "variance": ["noise", "tells", "twin", "hill"],
}


def rows(seed: int = 1, size: int = 800) -> TrainingRows:
    """`twin` is nearly `tells`, which tells most; `hill` tells by its size alone; `gone` is never there, `noise` and `hill` are not always."""
    random = np.random.default_rng(seed)
    noise, tells, hill = random.normal(size=(3, size))
    twin = tells + random.normal(0, 0.3, size)
    labels = (2 * tells + 2 * (np.abs(hill) > 1) + random.normal(size=size) > 0.5).astype(np.float64)
    table = np.stack([noise, tells, np.full(size, 0.1), twin, np.full(size, np.nan), hill], axis=1)
    table[random.random(size) < 0.1, ::5] = np.nan
    return TrainingRows(NAMES, table.astype(np.float32), labels)


def choice(name: str, **parameters) -> Choice:
    return Choice(strategy=name, parameters=parameters or PARAMETERS.get(name, {}))


@pytest.mark.parametrize("name", sorted(STRATEGIES))
@pytest.mark.parametrize("seed", range(3))
def test_what_tells_stays_in_the_order_of_the_vector_whatever_the_order_of_the_rows(name, seed):
    one = rows(seed)
    turned = np.random.default_rng(9).permutation(len(one.labels))
    other = TrainingRows(NAMES, one.features[turned], one.labels[turned])

    found = [select(given, [choice(name)], "late") for given in (one, other)]

    assert [narrowed.rows.names for narrowed in found] == [EXPECTED[name]] * 2
    for narrowed, given in zip(found, (one, other), strict=True):
        places = [NAMES.index(kept) for kept in EXPECTED[name]]
        assert np.array_equal(narrowed.rows.features, given.features[:, places], equal_nan=True)
        assert list(narrowed.scores[f"1 {name}"]) == NAMES
        assert np.isfinite(list(narrowed.scores[f"1 {name}"].values())).all()


def test_the_statistic_equals_pearson_s_over_the_table_of_bins_and_labels():
    given = rows()
    found = select(given, [choice("chi_squared", bins=4)], "late").scores["1 chi_squared"]["hill"]

    values = given.features[:, 5]
    edges = np.nanquantile(values.astype(float), [0.25, 0.5, 0.75], method="lower")
    bins = np.where(np.isnan(values), -1, (values[:, None] > edges).sum(axis=1))
    table = pd.crosstab(bins, given.labels).to_numpy().astype(float)
    expected = table.sum(axis=1, keepdims=True) * table.sum(axis=0, keepdims=True) / table.sum()
    assert found == pytest.approx(((table - expected) ** 2 / expected).sum())


def test_a_selection_is_given_what_the_one_before_left():
    found = select(rows(), [choice("variance"), choice("correlation"), choice("variance", threshold=0.5)], "late")

    assert found.rows.names == ["tells"]
    assert {step: list(scores) for step, scores in found.scores.items()} == {
        "1 variance": NAMES,
        "2 correlation": EXPECTED["variance"],
        "3 variance": ["tells"],
    }


def test_without_a_selection_the_rows_stay_as_they_are():
    given = rows()

    assert select(given, [], "late").rows is given


def test_a_selection_that_leaves_nothing_is_told_with_its_scores():
    with pytest.raises(
        DataError, match=r"models\.late\.select\[1\]: expected variance to leave values, found none of tells"
    ):
        select(rows(), [choice("correlation"), choice("variance", threshold=1e6)], "late")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (choice("variance", threshold=-1), r"select\[0\].*threshold: expected a number from 0 on, found -1"),
        (choice("chi_squared", keep=0), r"select\[0\].*keep: expected a whole number from 1 on, found 0"),
        (choice("chi_squared", bins=1), "bins: expected a whole number from 2 on, found 1"),
        (choice("mutual_information", keep="all"), "keep: expected a whole number from 1 on, found 'all'"),
        (choice("correlation", max_between=1.5), "max_between: expected a number from 0 to 1, found 1.5"),
        (
            choice("correlation", least=0.5),
            r"expected those of correlation \(keep, min_score, max_between\), found least",
        ),
        (choice("chi_square"), r"select\[0\]\.strategy: expected one of chi_squared, correlation, .*'chi_square'"),
    ],
)
def test_wrong_selections_are_told_by_their_place_before_anything_runs(wrong, said):
    with pytest.raises(ConfigError, match=f"models\\.late\\.{said}" if said.startswith("select") else said):
        made_selections([wrong], "late")


OWN = """
from batch_layer.selection.strategy import Selected

class Named:
    def __init__(self, names):
        self.names = names

    def select(self, rows):
        return Selected(self.names, {name: float(name in self.names) for name in rows.names})
"""


def fitted(select_by: tuple[Choice, ...], names: list[str] = NAMES, seed: int = 1) -> pd.Series:
    made = rows(seed)
    frame = pd.DataFrame(made.features.astype(float), columns=NAMES)
    frame = frame.assign(label=made.labels, partition_key="north", prediction_key=[f"k{n:04}" for n in range(800)])
    algorithm = Choice(strategy="lightgbm", parameters={"n_estimators": 20, "num_leaves": 7, "subsample": 0.8})
    baseline = Choice(strategy="isotonic", parameters={"feature": "twin"})
    plan = Plan(names, algorithm, baseline, 7, {"model": "late", "run_id": "r1"}, attempt=1, select=select_by)
    return fit_partition(frame, plan).iloc[0]


def test_a_class_of_one_s_own_is_named_by_its_dotted_path(tmp_path, monkeypatch):
    (tmp_path / "own_selection.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    own = Choice(strategy="own_selection.Named", parameters={"names": ["hill", "tells"]})

    assert fitted((own,))["inputs"] == ["tells", "hill"]


def test_a_model_of_selected_values_is_the_model_of_a_vector_that_has_no_others():
    selected = fitted((choice("chi_squared"),))
    alone = fitted((), names=EXPECTED["chi_squared"])

    assert selected["error"] is None
    assert (selected["inputs"], selected["sha256"]) == (EXPECTED["chi_squared"], alone["sha256"])
    assert OnnxScorer(selected["content"]).width == 3
    # The baseline is given the whole vector: its value may be one that the model has no use for.
    assert OnnxScorer(selected["baseline"]).width == len(NAMES)


def test_a_partition_that_a_selection_leaves_without_values_is_an_error_in_its_row():
    assert "expected variance to leave values" in fitted((choice("variance", threshold=1e9),))["error"]
