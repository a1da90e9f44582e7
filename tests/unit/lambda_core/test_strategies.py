"""A strategy is found by name or dotted path, and a wrong one is told with the names that there are."""

from __future__ import annotations

from array import array

import pytest

from lambda_core.config.project import Choice
from lambda_core.errors import ConfigError
from lambda_core.strategies import bound, build, code_of


class Doubling:
    def __init__(self, factor: int = 2) -> None:
        self.factor = factor

    def work(self) -> int:
        return self.factor


class Refusing:
    def __init__(self, error: type[Exception]) -> None:
        raise error("not so")


MENU = {"doubling": Doubling, "refusing": Refusing}


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


@pytest.mark.parametrize("content", ["class", "raise RuntimeError('not today')", "1 / 0"])
def test_a_module_that_cannot_be_imported_is_told_with_its_place(tmp_path, monkeypatch, content):
    (tmp_path / "broken_strategy.py").write_text(content)
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(ConfigError, match=r"here\.strategy: expected one of .* found 'broken_strategy\.Own': \w+Error"):
        build(MENU, Choice(strategy="broken_strategy.Own"), "here")


@pytest.mark.parametrize("error", [ValueError, TypeError, KeyError, OSError])
def test_a_class_that_refuses_to_be_made_is_told_with_its_place(error):
    with pytest.raises(
        ConfigError, match=rf"here: expected refusing to be made with .* found {error.__name__}: .*not so"
    ):
        build(MENU, Choice(strategy="refusing", parameters={"error": error}), "here")


def test_a_class_s_own_sentence_is_left_as_it_is():
    with pytest.raises(ConfigError, match=r"^not so$"):
        build(MENU, Choice(strategy="refusing", parameters={"error": ConfigError}), "here")


def test_a_contract_is_no_strategy():
    with pytest.raises(ConfigError, match=r"here: expected .*Algorithm to be made with no parameters, found TypeError"):
        build(MENU, Choice(strategy="batch_layer.training.strategy.Algorithm"), "here")


def test_a_class_without_the_method_that_the_stage_calls_is_refused():
    assert build(MENU, Choice(strategy="doubling"), "here", "work").work() == 2
    with pytest.raises(
        ConfigError, match=r"here\.strategy: expected a class with a method `work`, found collections\."
    ):
        build(MENU, Choice(strategy="collections.Counter"), "here", "work")


def test_what_would_make_a_strategy_is_looked_at_and_makes_none():
    assert bound(MENU, Choice(strategy="refusing", parameters={"error": ValueError}), "here") is Refusing
    with pytest.raises(ConfigError, match=r"here\.parameters: expected those of refusing \(error\), found none"):
        bound(MENU, Choice(strategy="refusing"), "here")
    with pytest.raises(
        ConfigError, match=r"here\.strategy: expected a class with a method `work`, found refusing without"
    ):
        bound(MENU, Choice(strategy="refusing", parameters={"error": ValueError}), "here", "work")


@pytest.mark.parametrize("strategy", [pytest.param({}, id="built-in"), pytest.param(array("i"), id="compiled")])
def test_a_class_without_source_has_no_code_to_be_part_of_an_id(strategy):
    with pytest.raises(ConfigError, match=r"here\.strategy: expected .* in a file of Python source"):
        code_of(strategy, "here")


def test_an_unknown_parameter_shows_those_that_there_are():
    with pytest.raises(ConfigError, match=r"here\.parameters: expected those of doubling \(factor\), found times"):
        build(MENU, Choice(strategy="doubling", parameters={"times": 3}), "here")
