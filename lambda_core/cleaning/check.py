"""Whether the project's expressions can work, seen before anything runs.

1. What an expression may name follows from the settings: a source's record, what its lookups take, what it derives, and
   at which of them an expression stands. So Spark analyses it over nulls of the declared types; no table is read.
2. All expressions of one place are analysed in one question. Only where Spark refuses it are they asked one by one, so
   that every mistake gets its own sentence.

Cleaning refuses the same, in the same words, but only while it builds its plan, which takes thousands of calls of the
JVM a project; a test holds the two together.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import types as T  # noqa: N812 - as Spark's own documentation names it

from lambda_core.cleaning.clean import no_time
from lambda_core.cleaning.conversions import can_become, spark_type
from lambda_core.cleaning.deriving import impossible
from lambda_core.cleaning.expressions import analyse, no_condition, refuse_beyond_record
from lambda_core.cleaning.looking_up import refuse_wrong_lookups
from lambda_core.cleaning.repairs import repair_sql
from lambda_core.errors import ConfigError
from lambda_core.features.requests_sql import request_feature_sql

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from lambda_core.config.project import Project
    from lambda_core.config.sources import Column, Source

    Types = dict[str, T.DataType]
    Sentence = Callable[[T.DataType, str], str | None]


@dataclass(frozen=True)
class _Expression:
    """An expression and what is asked of it.

    Attributes:
        path: its key path. text: as it is declared.
        refuse: returns the sentence about a type that it may not have; None where it may.
        rendered: what is worked out of it, where that is more than the text.
        becomes: column name -> type that those after it may name.
    """

    path: str
    text: str
    refuse: Sentence
    rendered: str | None = None
    becomes: Mapping[str, T.DataType] | None = None


def check_expressions(spark: SparkSession, project: Project) -> None:
    """Refuse a project with an expression that names what is not there, cannot be read, or asks beyond its record.

    Looked at are repairs, lookups, derived columns, row rules, event times, what features see (`where`, `condition`), the
    features of requests, what asks (`where`), labels, and what models are parted by. Nothing is read and no job runs.

    Raises:
        ConfigError: one line a mistake: key path, expected columns, found, nearest valid name.
    """
    mistakes = [
        mistake
        for name, source in project.sources.items()
        for mistake in [*_declared_mistakes(project, name), *_source_mistakes(spark, project, name, source)]
    ]
    for name, source in project.sources.items():
        mistakes += _mistakes(spark, _types(source.all_columns), list(_uses(project, name)))
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _declared_mistakes(project: Project, name: str) -> Iterator[str]:
    """Yield what is wrong with a source by its settings alone."""
    source, path = project.sources[name], f"sources.{name}"
    if source.is_offline and source.topic and source.kind == "event" and source.log_from is None:
        yield f"{path}.log_from: expected the event time from which the topic counts, found none"
    wrong = no_time(source, path)
    if wrong:
        yield wrong


def _source_mistakes(spark: SparkSession, project: Project, name: str, source: Source) -> Iterator[str]:
    """Yield what is wrong with a source's own expressions, in the order in which a record meets them."""
    path, record = f"sources.{name}", _types(source.columns)
    repairs = [
        _Expression(f"{path}.columns.{column}.repair", repair, _value_of(declared))
        for column, declared in source.columns.items()
        if (repair := repair_sql(column, declared))
    ]
    yield from _mistakes(spark, record, repairs)
    try:
        refuse_wrong_lookups(project, name)
    except ConfigError as error:
        yield str(error)
        return  # what is derived from what is taken would be refused for the same mistake
    taken = {
        new: spark_type(project.sources[lookup.source].all_columns[column])
        for lookup in source.lookups.values()
        for new, column in lookup.take.items()
    }
    yield from _mistakes(spark, record | taken, list(_derived(source, path)))
    rules = [
        _Expression(f"{path}.row_rules[{place}].rule", rule.rule, no_condition)
        for place, rule in enumerate(source.row_rules)
    ]
    timed = {"event_time_ms": T.LongType()}
    yield from _mistakes(spark, record | taken | _types(source.derive) | timed, rules)


def _derived(source: Source, path: str) -> Iterator[_Expression]:
    for column, declared in source.derive.items():
        where, refuse = f"{path}.derive.{column}", _value_of(declared)
        yield _Expression(f"{where}.expression", declared.expression, refuse, becomes={column: spark_type(declared)})
        repair = repair_sql(column, declared)
        if repair:
            yield _Expression(f"{where}.repair", repair, refuse)


def _uses(project: Project, source: str) -> Iterator[_Expression]:
    """Yield the expressions over a source's columns that stand outside of the sources."""
    yield from _seen_by_features(project, source)
    for name, asking in project.feature_sets.items():
        if asking.asked_by == source:
            path = f"feature_sets.{name}"
            yield _Expression(f"{path}.where", asking.where, no_condition)
            for feature, request in asking.request_features.items():
                where = f"{path}.request_features.{feature}.expression"
                yield _Expression(where, request.expression, _anything, rendered=request_feature_sql(request))
    for name, label in project.labels.items():
        if label.source == source:
            yield _Expression(f"labels.{name}.value", label.value, _no_outcome)
    for name, model in project.models.items():
        if project.feature_sets[model.feature_set].asked_by == source:
            yield _Expression(f"models.{name}.partition_by", f"`{model.partition_by}`", _anything)


def _seen_by_features(project: Project, source: str) -> Iterator[_Expression]:
    for name, group in project.feature_groups.items():
        for place, block in enumerate(group.features if group.source == source else ()):
            for setting, text in block.expressions.items():
                yield _Expression(f"feature_groups.{name}.features[{place}].{setting}", text, no_condition)


def _value_of(declared: Column) -> Sentence:
    def refuse(given: T.DataType, path: str) -> str | None:
        return None if can_become(given, declared) else impossible(declared.type, given, path)

    return refuse


def _anything(given: T.DataType, path: str) -> None:  # noqa: ARG001 - one of several that are called alike
    return None


def _no_outcome(given: T.DataType, path: str) -> str | None:
    if isinstance(given, T.NumericType | T.BooleanType | T.NullType):
        return None
    return f"{path}: expected 0, 1 or null, found an expression of type {given.simpleString()}; cast or compare it"


def _types(columns: Mapping[str, Column]) -> Types:
    return {name: spark_type(column) for name, column in columns.items()}


def _mistakes(spark: SparkSession, names: Types, expressions: Sequence[_Expression]) -> list[str]:
    """Return what is wrong with expressions over these columns; each may also name what those before it become."""
    given = _given(spark, names, expressions) if expressions else []
    if given is not None:
        told = [one.refuse(found, one.path) for one, found in zip(expressions, given, strict=True)]
        return [sentence for sentence in told if sentence]
    mistakes = []
    for one in expressions:
        try:
            mistakes.append(_mistake(_nulls(spark, names), one))
        except ConfigError as error:
            mistakes.append(str(error))
        names = {**names, **(one.becomes or {})}
    return [sentence for sentence in mistakes if sentence]


def _mistake(frame: DataFrame, one: _Expression) -> str | None:
    found = analyse(frame, one.text, one.path)
    if one.rendered:
        analyse(frame, one.rendered, one.path)
    return one.refuse(found, one.path)


def _given(spark: SparkSession, names: Types, expressions: Sequence[_Expression]) -> list[T.DataType] | None:
    """Return the expressions' types, found in one question; None where Spark or we refuse any of them.

    A column that an expression becomes is an alias beside it, which Spark lets those after it name, and no other.
    """
    texts, visible = ["*"], list(names)
    try:
        for place, one in enumerate(expressions):
            refuse_beyond_record(one.text, visible, one.path)
            texts.append(f"({one.rendered or one.text}) as `expression {place}`")
            texts += [f"cast(null as {kind.simpleString()}) as `{name}`" for name, kind in (one.becomes or {}).items()]
            visible += one.becomes or {}
        schema = _nulls(spark, names).selectExpr(*texts).schema
    except (ConfigError, AnalysisException, ParseException):
        return None
    return [schema[f"expression {place}"].dataType for place in range(len(expressions))]


def _nulls(spark: SparkSession, types: Types) -> DataFrame:
    """Return one row of nulls of these types, as one text: columns made one by one would be dozens of calls."""
    return spark.sql(
        f"select {', '.join(f'cast(null as {kind.simpleString()}) as `{name}`' for name, kind in types.items())}"
    )
