"""Where a source comes from, and what happens by itself: wrong settings are refused with what was expected."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from pydantic import ValidationError

from lambda_core.config.chain import Schedule
from lambda_core.config.names import dangling_names
from lambda_core.config.project import (
    Column,
    Derived,
    Gate,
    Label,
    Project,
    Serving,
    Source,
    View,
    WindowedAggregations,
)

PLAIN = {"kind": "reference", "columns": {"id": {"type": "string"}}, "unique_key": ["id"]}
JDBC = {"url": "jdbc:postgresql://db/shop", "table": "orders"}


@pytest.mark.parametrize(
    ("declared", "sentence"),
    [
        ({}, "a source has to come from somewhere"),
        ({"files": {"path": "a"}, "delta": {"path": "b"}}, "expected one of files, delta, jdbc, repository at most"),
        ({"files": {"path": ""}}, "expected a file, or a pattern such as 'orders/.*.csv', found ''"),
        ({"files": {"path": "."}}, "expected a file, or a pattern"),
        ({"files": {"path": "/"}}, "expected a file, or a pattern"),
        ({"files": {"path": "users/**.tsv"}}, "to stand for whole folders, .* found 'users/..\\.tsv'"),
        ({"topic": "t", "log_from": "1998-13-45"}, "log_from\n.*expected a date or time .* found '1998-13-45'"),
        ({"topic": "t", "log_from": 1998}, "expected a date or time .* found 1998"),
        ({"topic": ""}, "topic\n.*should match pattern"),
        ({"topic": "shop orders"}, "topic\n.*should match pattern"),
        ({"files": {"path": "a"}, "ranges": {}}, "expected `topic`: `ranges` says how it is read"),
        ({"files": {"path": "a", "format": "xml"}}, "'csv', 'json' or 'parquet'"),
        ({"files": {"path": "a", "separator": "::"}}, "files.separator"),
        ({"files": {"path": "a", "separator": '"'}}, "files.separator"),
        ({"files": {"path": "a", "format": "json", "separator": ";"}}, "`separator` only with `format: csv`"),
        ({"jdbc": {**JDBC, "query": "select 1"}}, "expected `table` or `query`"),
        ({"jdbc": {"url": "jdbc:x:y"}}, "expected `table` or `query`"),
        ({"jdbc": {**JDBC, "partitions": 2}}, "expected `ascending`"),
        ({"jdbc": {**JDBC, "url": "http://db"}}, "jdbc:"),
        ({"jdbc": {**JDBC, "password_from": "hunter2"}}, "password_from"),
        ({"repository": {"strategy": "Mine"}}, "repository.strategy"),
    ],
)
def test_a_wrong_origin_is_refused(declared, sentence):
    with pytest.raises(ValidationError, match=sentence.replace("(", r"\(")):
        Source.model_validate({**PLAIN, **declared})


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ({"type": "boolean", "min": 0}, "expected `min` of a number, found it of type boolean; say it in `row_rules`"),
        ({"type": "string", "max": 5}, "expected `max` of a number, found it of type string"),
        ({"type": "integer", "min": 2, "max": 1}, "expected `min` to be at most `max`, found 2.0 and 1.0"),
        ({"type": "float", "max": float("inf")}, "a finite number"),
        ({"type": "float", "clip": [float("-inf"), 0]}, "a finite number"),
    ],
)
def test_bounds_that_no_value_can_keep_are_refused(column, said):
    with pytest.raises(ValidationError, match=said):
        Column.model_validate(column)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("DD/MM/YYYY", "yyyy-MM-dd", r"'DD/MM/YYYY': 'Y' stands for nothing .*did you mean 'dd/MM/yyyy'\?"),
        ("dd/MM/yyyy", "yyyy-MM-DD", r"'yyyy-MM-DD': D is the day of the year.*did you mean 'yyyy-MM-dd'\?"),
        ("dd/mm/yyyy", "yyyy-MM-dd", r"'dd/mm/yyyy': it has a day and no month.*did you mean 'dd/MM/yyyy'\?"),
        ("yyyy-MM-ddTHH:mm", "yyyy", r"'T' stands for nothing .* as in 'T'$"),
        ("E dd/MM/yyyy", "yyyy-MM-dd", "'E' stands for nothing"),
        ("'dd/MM/yyyy", "yyyy-MM-dd", '"\'" stands for nothing'),
    ],
)
def test_a_pattern_that_means_no_date_or_another_is_refused_with_what_was_meant(old, new, said):
    with pytest.raises(ValidationError) as refused:
        Column.model_validate({"type": "string", "convert": {"from": old, "to": new}})

    assert re.search(f"expected a pattern such as .*{said}", refused.value.errors()[0]["msg"])


@pytest.mark.parametrize(
    "pattern", ["dd/MM/yyyy", "yyyyDDD", "yyyy-MM-dd'T'HH:mm:ss.SSSX", "d LLL yy", "mm:ss", "HH:mm", "yyyy"]
)
def test_a_pattern_of_spark_s_is_taken(pattern):
    assert Column.model_validate({"type": "string", "convert": {"from": pattern, "to": "E yyyy-MM-dd"}}).convert


def test_only_a_number_has_bounds_when_it_is_derived():
    with pytest.raises(ValidationError, match="expected `min` of a number, found it of type timestamp"):
        Derived(type="timestamp", expression="now()", min=0)


@pytest.mark.parametrize(
    "url", ["jdbc:x://db?user=a&password=s3cret", "jdbc:x://ann:s3cret@db/shop", "jdbc:x:y;PWD=s3"]
)
def test_a_url_that_holds_a_secret_is_refused(url):
    with pytest.raises(ValidationError, match="name the environment variables"):
        Source.model_validate({**PLAIN, "jdbc": {**JDBC, "url": url}})


def test_files_stay_what_they_were_and_a_source_may_have_a_topic_beside_any_origin():
    assert Source.model_validate({**PLAIN, "files": {"path": "a.csv"}}).is_offline
    assert Source.model_validate({**PLAIN, "topic": "t", "ranges": {}}).is_offline is False
    assert Source.model_validate({**PLAIN, "topic": "t", "jdbc": JDBC}).is_offline


def test_a_moment_without_quotes_is_what_it_is_with_them():
    assert Source.model_validate({**PLAIN, "topic": "t", "log_from": dt.date(1998, 1, 2)}).log_from == "1998-01-02"


@pytest.mark.parametrize(
    ("section", "declared"),
    [
        (View, {"period": 0}),
        (View, {"period": -5}),
        (View, {"lookback": -5}),
        (Serving, {"deadline": 0}),
        (Label, {"source": "a", "value": "1", "join": ["id"], "delay": -1}),
        (WindowedAggregations, {"aggregations": ["count"], "windows": [0]}),
        (WindowedAggregations, {"aggregations": ["count"], "windows": ["1h"], "hop": 0}),
    ],
)
def test_a_duration_is_no_less_than_none_and_a_step_is_more(section, declared):
    with pytest.raises(ValidationError, match=r"greater than (or equal to )?0"):
        section.model_validate(declared)


@pytest.mark.parametrize("period", [True, 2**51, "36500000 days"])
def test_a_duration_is_no_word_and_no_longer_than_all_of_history(period):
    with pytest.raises(ValidationError, match=r"expected a duration like|less than or equal to"):
        View.model_validate({"period": period})


def test_a_gate_s_bound_is_a_number():
    with pytest.raises(ValidationError, match="finite number"):
        Gate(min_auc_gain=float("nan"))


@pytest.mark.parametrize("cron", ["0 3 * *", "61 * * * *", "* * * * 1-5", "0 3 * * someday", "@daily"])
def test_a_wrong_moment_is_refused(cron):
    with pytest.raises(ValidationError, match=r"expected (five fields of cron|days of the week by name)"):
        Schedule(cron=cron, sources=("orders",))


def test_a_schedule_names_sources_that_there_are():
    orders = {**PLAIN, "files": {"path": "a"}}
    schedules = {"nightly": {"cron": "0 3 * * mon-fri", "sources": ["order"]}}
    project = Project.model_validate({"project": "shop", "sources": {"orders": orders}, "schedules": schedules})

    assert list(dangling_names(project)) == [
        ("schedules.nightly.sources[0]", "expected one of orders; found 'order'; did you mean 'orders'?")
    ]
