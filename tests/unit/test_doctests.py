"""Every example in a docstring of the core is run: what documentation shows is so."""

import doctest
import importlib
import pkgutil

import pytest

import lambda_core

MODULES = [module.name for module in pkgutil.walk_packages(lambda_core.__path__, "lambda_core.")]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of_a_module_show_what_it_does(name):
    failures, _ = doctest.testmod(importlib.import_module(name))
    assert failures == 0


def test_there_are_examples_at_all():
    finder = doctest.DocTestFinder(exclude_empty=True)
    tests = [test for name in MODULES for test in finder.find(importlib.import_module(name)) if test.examples]
    assert len(tests) >= 10
