"""The quality gate: what fails it, what it says, and what only warns. (The shipped expectations: `test_shipped_gate`.)"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

import pytest

from batch_layer.preparation import gate
from batch_layer.preparation.gate import check_expectations
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.errors import ConfigError, GateError

pytestmark = pytest.mark.usefixtures("demo_beside")  # from here on the demo goes on beside the tests

GOOD = [("aa", 10, None), ("bb", 20, None), ("aa", 30, None)]

PLANTED = {
    "column_values_to_be_in_set": ({"column": "code", "value_set": ["aa", "bb"]}, ("cc", 10)),
    "column_mean_to_be_between": ({"column": "size", "min_value": 5, "max_value": 60}, ("aa", 10_000)),
}
"""Expectation -> its arguments, and a row with which it fails."""


@pytest.fixture(scope="module")
def context(spark, tmp_path_factory) -> Callable[..., RunContext]:
    """Make a context whose one source has these expectations, and these prepared rows; equal rows are written once."""

    def make(expectations: list[dict], rows: list[tuple]) -> RunContext:
        source = {
            "kind": "reference",
            "topic": "t",
            "columns": {"code": {"type": "string"}, "size": {"type": "integer"}},
            "unique_key": ["code"],
            "expectations": expectations,
        }
        project = Project.model_validate({"project": "shop", "sources": {"parcels": source}})
        made = assemble(project, Environment(state=folder_of(tuple(rows))), FixedClock(0))
        made.builders["spark"] = lambda _: spark
        if not made.tables.exists("prepared_parcels"):
            frame = spark.createDataFrame(rows, "code string, size bigint, duplicate string")
            made.tables.replace("prepared_parcels", frame)
        return made

    @cache
    def folder_of(rows: tuple[tuple, ...]) -> Path:
        del rows
        return tmp_path_factory.mktemp("gate")

    return make


def test_good_rows_pass_all(context):
    declared = [{"expect": name, "arguments": arguments} for name, (arguments, _) in PLANTED.items()]

    assert check_expectations(context(declared, GOOD), ["parcels"]) == ()


def test_planted_rows_fail_and_the_error_says_where_and_what(context):
    declared = [{"expect": name, "arguments": arguments} for name, (arguments, _) in PLANTED.items()]
    run = context(declared, [*GOOD, *((*planted, None) for _, planted in PLANTED.values())])

    with pytest.raises(GateError) as failed:
        check_expectations(run, ["parcels"])

    sentences = str(failed.value).splitlines()
    sizes = [size for _, size, *_ in GOOD] + [size for _, (_, size) in PLANTED.values()]
    assert len(sentences) == len(PLANTED)
    for name, (arguments, _) in PLANTED.items():
        told = f"source parcels: expected {name} of {arguments['column']}"
        (sentence,) = [one for one in sentences if one.startswith(told)]
        assert f"'observed_value': {sum(sizes) / len(sizes)}" in sentence or "'unexpected_count': 1" in sentence
        assert "then correct the source, or the expectation in sources.parcels.expectations" in sentence
    assert run.tables.read("prepared_parcels").count() == len(GOOD) + len(PLANTED)


def test_declared_duplicates_are_not_looked_at(context):
    arguments, planted = PLANTED["column_values_to_be_in_set"]
    declared = [{"expect": "column_values_to_be_in_set", "arguments": arguments}]

    assert check_expectations(context(declared, [*GOOD, (*planted, "unique_key")]), ["parcels"]) == ()


def test_a_share_of_the_rows_may_miss_where_mostly_says_so(context):
    arguments = {"column": "code", "mostly": 0.75}
    declared = [{"expect": "column_values_to_not_be_null", "arguments": arguments}]

    assert check_expectations(context(declared, [*GOOD, (None, 1, None)]), ["parcels"]) == ()
    with pytest.raises(GateError):
        check_expectations(context(declared, [*GOOD, (None, 1, None), (None, 2, None)]), ["parcels"])


def test_a_warning_is_told_and_stops_nothing(context):
    arguments, planted = PLANTED["column_values_to_be_in_set"]
    declared = [{"expect": "column_values_to_be_in_set", "arguments": arguments, "severity": "warn"}]

    warnings = check_expectations(context(declared, [*GOOD, (*planted, None)]), ["parcels"])

    assert len(warnings) == 1
    assert "'partial_unexpected_list': ['cc']" in warnings[0]


def test_all_failures_are_told_at_once_each_by_its_own_name(context):
    declared = [
        {"expect": "column_values_to_not_be_null", "arguments": {"column": "code"}},
        {"expect": "column_values_to_be_between", "arguments": {"column": "size", "max_value": 2}},
        {"expect": "column_values_to_be_between", "arguments": {"column": "size", "max_value": 1}},
        {"expect": "column_values_to_be_between", "arguments": {"column": "size", "max_value": 9}},
    ]

    with pytest.raises(GateError) as failed:
        check_expectations(context(declared, [(None, 5, None)]), ["parcels"])

    assert sorted(line.partition(", found ")[0] for line in str(failed.value).splitlines()) == [
        "source parcels: expected column_values_to_be_between of size {'max_value': 1}",
        "source parcels: expected column_values_to_be_between of size {'max_value': 2}",
        "source parcels: expected column_values_to_not_be_null of code ",
    ]


def test_what_was_found_is_told_again_without_a_look_until_rows_or_expectations_change(context, monkeypatch):
    null = {"expect": "column_values_to_not_be_null", "arguments": {"column": "code"}}
    small = {"expect": "column_values_to_be_between", "arguments": {"column": "size", "max_value": 5}}
    run, told = context([null, {**small, "severity": "warn"}], [(None, 77, None)]), []
    with monkeypatch.context() as patched:
        for _ in range(2):
            with pytest.raises(GateError) as failed:
                check_expectations(run, ["parcels"])
            told.append(str(failed.value))
            patched.setattr(gate, "_judged", lambda _, versions: {} if not versions else pytest.fail("looked again"))
    assert told[0] == told[1]

    assert len(check_expectations(context([{**null, "severity": "warn"}], [(None, 77, None)]), ["parcels"])) == 1

    failing = run.tables.version("prepared_parcels")
    run.tables.replace(
        "prepared_parcels", run.spark.createDataFrame(GOOD, "code string, size bigint, duplicate string")
    )
    assert len(check_expectations(run, ["parcels"])) == 1
    with pytest.raises(GateError):
        check_expectations(run, ["parcels"], {"parcels": failing})


@pytest.mark.parametrize("place", [0, 1])
def test_a_failure_stops_wherever_one_that_only_warns_stands(context, place: int):
    declared = [{"expect": "column_values_to_not_be_null", "arguments": {"column": "code"}}]
    warned = {"expect": "column_values_to_be_between", "arguments": {"column": "size", "max_value": 1}}
    declared.insert(place, {**warned, "severity": "warn"})

    with pytest.raises(GateError, match=r"^source parcels: expected column_values_to_not_be_null of code [^\n]*$"):
        check_expectations(context(declared, [(None, 5, None)]), ["parcels"])


def test_an_expectation_over_a_column_that_is_not_there_fails_with_the_cause(context):
    declared = [{"expect": "column_values_to_not_be_null", "arguments": {"column": "cod"}}]

    with pytest.raises(GateError, match=r'"cod"'):
        check_expectations(context(declared, GOOD), ["parcels"])


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"expect": "column_values_to_be_nul"}, "did you mean 'column_values_to_be_null'"),
        ({"expect": "column_values_to_not_be_null"}, r"sources.parcels.expectations\[0\].arguments: expected what"),
        ({"expect": "column_values_to_not_be_null", "arguments": {"column": "code", "x": 1}}, "expected what"),
    ],
)
def test_an_expectation_that_cannot_be_is_a_setting_that_is_wrong(context, declared: dict, message: str):
    with pytest.raises(ConfigError, match=message):
        check_expectations(context([declared], GOOD), ["parcels"])
