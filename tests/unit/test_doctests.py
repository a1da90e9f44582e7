"""Every example in a docstring of the core and of the batch layer is run: what documentation shows is so.

Those of segregation and of repairs are tables of Spark, and run beside their other tests.
"""

import doctest
import importlib
import pkgutil

import pytest

import batch_layer
import lambda_core

WITH_SPARK = ("batch_layer.segregation", "lambda_core.cleaning.repairs")
MODULES = [
    module.name
    for package in (lambda_core, batch_layer)
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
    if not module.name.startswith(WITH_SPARK)
]
STRATEGIES = ["chi_squared", "mutual_information", "correlation", "variance"]
TRANSFORMATIONS = ["difference", "ratio", "logarithm", "clip", "bins", "cyclic", "fill", "missing"]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_show_what_it_does(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_there_are_examples_at_all():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(tests) >= 10


@pytest.mark.parametrize("name", STRATEGIES)
def test_every_selection_is_shown_on_a_table(name):
    from batch_layer.selection import STRATEGIES as MENU

    assert set(MENU) == set(STRATEGIES)
    assert [test for test in doctest.DocTestFinder().find(MENU[name], globs={}) if len(test.examples) >= 4]


@pytest.mark.parametrize("name", TRANSFORMATIONS)
def test_every_transformation_is_shown_on_a_table(name):
    from lambda_core.features.transformations import STRATEGIES as MENU

    assert set(MENU) == set(TRANSFORMATIONS)
    assert [test for test in doctest.DocTestFinder().find(MENU[name], globs={}) if len(test.examples) >= 3]
