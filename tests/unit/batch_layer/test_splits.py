"""What is told of a split from its counts, and its hashes, without Spark."""

from __future__ import annotations

import inspect
import itertools
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from batch_layer.recorded_split import part_hash
from batch_layer.segregation import STRATEGIES
from batch_layer.segregation.drawing import lot
from batch_layer.segregation.evenness import SplitCount, unevenness
from batch_layer.segregation.leaks import Span
from batch_layer.selection import STRATEGIES as SELECTIONS
from lambda_core.config.modelling import Choices, Split
from lambda_core.errors import ConfigError

PLAIN = settings(deadline=None, derandomize=True)
EVEN = [
    SplitCount("train", "north", 8_000, 1_600, 8_000),
    SplitCount("train", "south", 4_000, 900, 4_000),
    SplitCount("test", "north", 2_000, 410, 2_000),
    SplitCount("test", "south", 1_000, 230, 1_000),
    SplitCount("embargo", "south", 500, 0, 500),
]


def but(place: int, count: SplitCount) -> list[SplitCount]:
    return [*EVEN[:place], count, *EVEN[place + 1 :]]


def test_of_an_even_split_nothing_is_told():
    assert unevenness(EVEN) == ()


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        (but(2, SplitCount("test", "north", 2_000, 900, 2_000)), "label: 20.8% of 12000 training rows are 1, and 37.7% of 3000"),
        (but(2, SplitCount("test", "north", 2_000, 900, 2_000)), "partition north: 20.0% of 8000 training rows are 1"),
        (but(3, SplitCount("test", "south", 200, 46, 200)), "partition south: 33.3% of the training rows, and 9.1% of the"),
        (EVEN[:3], "partition south: 4000 training rows and 0 test rows"),
        (but(1, SplitCount("train", "south", 4_000, 2_400, 4_000)), "in north, and 60.0% of 4000 in south"),
        ([EVEN[0], SplitCount("test", "north", 20, 4, 20)], "sizes: 20 test rows beside 8000 training rows are 0.2%"),
        ([EVEN[0], SplitCount("test", "north", 9_000, 1_800, 9_000)], "are 52.9% of both; expected 5% to 50%"),
    ],
)  # fmt: skip
def test_what_is_uneven_is_told_with_its_figures(counts, said):
    assert [sentence for sentence in unevenness(counts) if said in sentence]


def test_a_difference_that_chance_makes_is_not_told():
    few = [SplitCount("train", "a", 40, 8, 40), SplitCount("test", "a", 10, 4, 10)]

    assert unevenness(few) == ()


def test_rows_without_labels_say_nothing_of_labels():
    assert unevenness([SplitCount("train", "a", 80, 0, 0), SplitCount("test", "a", 20, 0, 0)]) == ()


@PLAIN
@given(st.lists(st.tuples(st.text(max_size=4), st.integers(-(2**63), 2**63 - 1)), max_size=6), st.randoms())
def test_a_part_s_hash_knows_every_row_and_no_order(rows, random):
    turned = random.sample(rows, len(rows))

    assert part_hash(turned) == part_hash(rows)
    assert part_hash([*rows, ("", 0)]) != part_hash(rows)


def test_a_row_that_comes_twice_is_another_split():
    assert part_hash([("a", 1), ("a", 1)]) != part_hash([]) != part_hash([("a", 1)])


@PLAIN
@given(st.integers(), st.text(max_size=6))
def test_a_lot_lies_between_zero_and_one(seed, key):
    assert 0 <= lot(seed, key) < 1


def test_lots_are_spread_evenly_and_another_seed_draws_others():
    keys = [f"file/-1/{place}" for place in range(4_000)]
    first, second = ([lot(seed, key) < 0.25 for key in keys] for seed in (1, 2))

    for drawn in (first, second):
        assert abs(sum(drawn) / len(keys) - 0.25) < 0.03
    both = sum(one and other for one, other in zip(first, second, strict=True)) / len(keys)
    assert abs(both - 0.25**2) < 0.03


@PLAIN
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1),
    st.lists(st.integers(0, 20), min_size=1),
    st.integers(0, 9),
)
def test_sides_are_apart_exactly_when_no_pair_of_rows_crosses(train, test, delay):
    known = [t_ms + after for t_ms, after in train]
    span = Span(max(t_ms for t_ms, _ in train), max(known), min(test))

    crossing = any(
        t_ms + delay > asked or t_ms + after >= asked for (t_ms, after), asked in itertools.product(train, test)
    )
    assert span.is_apart(delay) is not crossing


@pytest.mark.parametrize(
    ("name", "parameters", "said"),
    [
        ("random", {"train": 1.0}, "train: expected the share of rows to train on, above 0 and below 1, found 1.0"),
        ("random", {"train": "0.8"}, "found '0.8'"),
        ("shuffled", {"seed": 0.5}, "seed: expected a whole number, found 0.5"),
        ("in_sequence", {"train": 0}, "above 0 and below 1, found 0"),
        ("stratified", {"by": "label"}, "by: expected a list of columns, found 'label'"),
        ("stratified", {"by": []}, "by: expected a list of columns"),
        ("by_entity", {"entity": "buyer", "train": True}, "found True"),
        ("by_entity", {"entity": ["buyer"]}, r"entity: expected a text, found \['buyer'\]"),
        ("by_time", {"train_from": "2024-01-01", "test_from": "2024-01-02"}, "no row would be left to train on"),
        ("by_time", {"train_from": "soon", "test_from": "2024-01-02"}, "expected a moment"),
        ("by_time", {"train_from": "2023-01-01", "test_from": "2024-01-02", "test_until": "2024-01-02"}, "to test on"),
    ],
)  # fmt: skip
def test_parameters_that_make_no_sense_are_refused(name, parameters, said):
    with pytest.raises(ConfigError, match=said):
        STRATEGIES[name](delay_ms=2 * 86_400_000, **parameters)


README = (Path(__file__).parents[3] / "conf" / "README.md").read_text(encoding="utf-8")


def test_the_example_that_users_read_is_valid():
    block = re.search(r"```yaml\n(models:.*?)```", README, re.DOTALL)[1]
    declared = yaml.safe_load(block)["models"]["returned"]

    assert Split.model_validate(declared["split"]).strategy in STRATEGIES
    assert [choice.strategy in SELECTIONS for choice in TypeAdapter(Choices).validate_python(declared["select"])] == [
        True
    ] * 2


@pytest.mark.parametrize("name", [*STRATEGIES, *SELECTIONS])
def test_the_table_that_users_read_names_every_strategy_with_its_parameters(name):
    told = re.search(rf"^\| `{name}` \|(.*?)\|", README, re.MULTILINE)[1]

    parameters = [one for one in inspect.signature({**STRATEGIES, **SELECTIONS}[name]).parameters if one != "delay_ms"]
    assert re.findall(r"`(\w+)`", told) == parameters
