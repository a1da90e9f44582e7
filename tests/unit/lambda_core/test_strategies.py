"""A strategy is found by name or dotted path, and a wrong one is told with the names that there are."""

from __future__ import annotations

from array import array

import pytest

from lambda_core.config.project import Choice
from lambda_core.errors import ConfigError
from lambda_core.strategies import build, code_of


class Doubling:
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor


MENU = {"doubling": Doubling}


def test_a_name_of_the_menu_is_built_with_its_parameters():
    assert build(MENU, Choice(strategy="doubling", parameters={"factor": 3}), "here").factor == 3


def test_a_dotted_path_names_a_class_of_one_s_own():
    path = "lambda_core.clock.FixedClock"

    assert build(MENU, Choice(strategy=path, parameters={"now_ms": 5}), "here").now_ms() == 5


def test_what_the_stage_gives_is_no_parameter_of_the_settings():
    assert build(MENU, Choice(strategy="doubling"), "here", factor=7).factor == 7
    with pytest.raises(ConfigError, match=r"expected those of doubling \(none\), found times"):
        build(MENU, Choice(strategy="doubling", parameters={"times": 3}), "here", factor=7)
    with pytest.raises(ConfigError, match="found factor"):
        build(MENU, Choice(strategy="doubling", parameters={"factor": 3}), "here", factor=7)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("doublin", id="misspelled"),
        pytest.param("lambda_core.clock.Nothing", id="no-class-of-the-module"),
        pytest.param("no.such.module", id="no-module"),
        pytest.param("lambda_core.errors.__name__", id="a-text"),
        pytest.param("builtins.dict", id="parameters-untold"),
    ],
)
def test_an_unknown_strategy_names_the_menu_and_the_place(name):
    with pytest.raises(ConfigError, match=r"models\.a\.algorithm\.strategy: expected one of doubling"):
        build(MENU, Choice(strategy=name), "models.a.algorithm")


@pytest.mark.parametrize("strategy", [pytest.param({}, id="built-in"), pytest.param(array("i"), id="compiled")])
def test_a_class_without_source_has_no_code_to_be_part_of_an_id(strategy):
    with pytest.raises(ConfigError, match=r"here\.strategy: expected .* in a file of Python source"):
        code_of(strategy, "here")


def test_an_unknown_parameter_shows_those_that_there_are():
    with pytest.raises(ConfigError, match=r"here\.parameters: expected those of doubling \(factor\), found times"):
        build(MENU, Choice(strategy="doubling", parameters={"times": 3}), "here")
