"""A block of features says what it needs, and nothing that none of its aggregations takes."""

from pathlib import Path

import pytest
import yaml
from pydantic import ValidationError

from lambda_core.config.blocks import WindowedAggregations
from lambda_core.config.project import FeatureGroupSection
from lambda_core.features.aggregations import AGGREGATIONS
from lambda_core.features.windows import ALL_MS, DAY_MS, Window


def block(**declared):
    return WindowedAggregations.model_validate(declared)


def test_the_example_that_users_read_is_valid_and_its_table_names_every_aggregation():
    whole = (Path(__file__).parents[4] / "conf" / "README.md").read_text()
    text = whole.split("## What a feature can be")[1]
    example = yaml.safe_load(text.split("```yaml\n")[1].split("```")[0])

    (group,) = (FeatureGroupSection.model_validate(one) for one in example["feature_groups"].values())

    assert len(group.features) == 8
    assert [name for name in AGGREGATIONS if f"`{name}`" not in text.split("| aggregation |")[1]] == []


def test_a_block_without_windows_covers_all_of_history_in_hops_of_a_day():
    assert block(aggregations=["count"]).window_list() == [Window(ALL_MS, DAY_MS)]
    assert block(aggregations=["count"], windows=["1d", "all"]).windows == (DAY_MS, ALL_MS)


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({"aggregations": ["sum"]}, "expected `column`: only `count` and `share` work without one"),
        ({"aggregations": ["count"], "where": "x > 1"}, "expected `name`"),
        ({"aggregations": ["share"], "condition": "x > 1"}, "expected `name`"),
        ({"aggregations": ["share"], "name": "big"}, "expected `condition`, which share needs"),
        (
            {"aggregations": ["share"], "name": "big", "condition": "x", "column": "x"},
            "expected no `column` with `share`",
        ),
        (
            {"aggregations": ["count"], "name": "big", "condition": "x"},
            "expected `condition` only with share; found it with",
        ),
        ({"aggregations": ["last_n"], "column": "x"}, "expected `last`, which last_n needs"),
        ({"aggregations": ["last_n"], "column": "x", "last": 33}, "less than or equal to 32"),
        ({"aggregations": ["latest"], "column": "x", "last": 3}, "expected `last` only with last_n"),
        ({"aggregations": ["histogram"], "column": "x"}, "expected either `bins` or `categories`"),
        ({"aggregations": ["shares"], "column": "x", "bins": [0, 1], "categories": [0]}, "expected either `bins` or"),
        ({"aggregations": ["quantiles"], "column": "x", "bins": [0, 1]}, "expected `quantiles`, which quantiles needs"),
        ({"aggregations": ["histogram"], "column": "x", "bins": [0, 1], "quantiles": [0.5]}, "`quantiles` only with"),
        ({"aggregations": ["histogram"], "column": "x", "bins": [1]}, "expected 2 values or more in `bins`"),
        ({"aggregations": ["histogram"], "column": "x", "bins": [1, 0]}, "expected the edges of `bins` to ascend"),
        ({"aggregations": ["histogram"], "column": "x", "bins": [0, 0]}, "in `bins`, each once"),
        ({"aggregations": ["histogram"], "column": "x", "categories": ["a", "a"]}, "in `categories`, each once"),
        ({"aggregations": ["histogram"], "column": "x", "bins": [0, float("inf")]}, "finite"),
        ({"aggregations": ["quantiles"], "column": "x", "bins": [0, 1], "quantiles": [1.5]}, "less than or equal to 1"),
        ({"aggregations": ["decayed_sum"], "column": "x"}, "expected `half_life`, which decayed_sum needs"),
        ({"aggregations": ["distinct"], "column": "x", "precision": 13}, "less than or equal to 12"),
        (
            {"aggregations": ["sum"], "column": "x", "expiry": "1h"},
            "expected `expiry` only with latest, last_n, decayed_sum",
        ),
        (
            {"aggregations": ["latest", "first"], "column": "x", "expiry": "1h"},
            "expected no `expiry` with first, which",
        ),
        ({"aggregations": ["count"], "windows": ["ever"]}, "expected a duration like '5 minutes'"),
    ],
)
def test_a_setting_that_is_missing_or_out_of_place_gets_a_sentence(declared, sentence):
    with pytest.raises(ValidationError) as refused:
        block(**declared)
    assert sentence in str(refused.value)
