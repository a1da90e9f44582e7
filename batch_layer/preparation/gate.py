"""The quality gate: the project's expectations, held against the rows that count. It may stop; it never removes.

What it found of a version of a prepared table is kept beside that table: a preparation asks, and whoever makes something of
the rows asks again (training rows, a publication), which costs nothing as long as neither rows nor expectations changed.
"""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Any

import msgspec

from lambda_core.errors import ConfigError, GateError
from lambda_core.nearest import nearest
from lambda_core.repositories.cards import read_card, write_card
from lambda_core.schemas.ids import content_id
from lambda_core.schemas.tables import prepared

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lambda_core.config.project import Project
    from lambda_core.config.sources import Expectation, Source
    from lambda_core.context import RunContext

# Counts, shares and at most twenty examples; the complete format would bring every failing row to the driver.
_RESULT_FORMAT = {"result_format": "SUMMARY"}
_ALONE = Lock()
"""Great Expectations has one context a process, while a listener prepares several sources at the same time."""
_COLUMNS = ("column", "column_A", "column_B", "column_list")
"""The arguments that name columns."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What the gate found of a source's rows.

    Attributes:
        version: of the prepared table. expectations: id of what was expected of it.
        failed, warned: a sentence an expectation that was not met, by its severity.
    """

    version: int
    expectations: str
    failed: tuple[str, ...]
    warned: tuple[str, ...]


def check_expectations(
    context: RunContext, sources: Sequence[str], versions: Mapping[str, int] | None = None
) -> tuple[str, ...]:
    """Hold the sources' prepared rows that count to their expectations; return the sentences of those that only warn.

    Args:
        context: names tables and the project.
        sources: those of them that expect nothing are passed over.
        versions: of the prepared tables; the current one for a source that has none here.

    Raises:
        ConfigError: when an expectation does not exist or does not take its arguments.
        GateError: naming source, expectation, column, what was observed, and what to do; one line each.
    """
    given = versions or {}
    pinned = {
        name: given[name] if name in given else context.tables.version(prepared(name))
        for name in sources
        if context.project.sources[name].expectations
    }
    known = {name: _known(context, name, version) for name, version in pinned.items()}
    new = _judged(context, {name: version for name, version in pinned.items() if known[name] is None})
    verdicts = [new[name] if verdict is None else verdict for name, verdict in known.items()]
    failures = [sentence for verdict in verdicts for sentence in verdict.failed]
    if failures:
        raise GateError("\n".join(failures))
    return tuple(sentence for verdict in verdicts for sentence in verdict.warned)


def _known(context: RunContext, name: str, version: int) -> Verdict | None:
    """Return what was found of this version by what is expected now; None where it was never asked for."""
    found = read_card(_card(context, name))
    verdict = None if found is None else msgspec.convert(found, Verdict)
    asked = (version, _expected(context, name))
    return verdict if verdict is not None and (verdict.version, verdict.expectations) == asked else None


def _judged(context: RunContext, versions: Mapping[str, int]) -> dict[str, Verdict]:
    """Hold these versions to what is expected of them; keep what was found, and return it by source."""
    if not versions:
        return {}
    begin, found = context.clock.now_ms(), {}
    with _ALONE:
        data = _quiet_context().data_sources.add_spark("prepared", persist=True)
        missed = {name: _failures(context, data, name, version) for name, version in versions.items()}
    for name, version in versions.items():
        failed, warned = (
            tuple(sentence for expectation, sentence in missed[name] if expectation.severity == severity)
            for severity in ("fail", "warn")
        )
        for sentence in warned:
            context.log.warning("expectation missed", expectation=sentence)
        found[name] = Verdict(version=version, expectations=_expected(context, name), failed=failed, warned=warned)
        write_card(_card(context, name), msgspec.to_builtins(found[name]))
    failures, seconds = sum(len(one.failed) for one in found.values()), (context.clock.now_ms() - begin) / 1000
    context.log.info("expectations checked", sources=len(found), failed=failures, seconds=seconds)
    return found


def _card(context: RunContext, name: str) -> Path:
    """Return where a verdict is kept: in the table's folder, so that both go together; Delta passes over such names."""
    return context.tables.folder(prepared(name)) / "_gate.json"


def _expected(context: RunContext, name: str) -> str:
    return content_id(*(expectation.model_dump_json() for expectation in context.project.sources[name].expectations))


def refuse_wrong_expectations(project: Project) -> None:
    """Refuse expectations that do not exist, do not take their arguments, or are of a column that the source has not.

    Great Expectations loads for six seconds, where any is declared.

    Raises:
        ConfigError: with one line a mistake.
    """
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    mistakes = [
        sentence
        for name, source in project.sources.items()
        for sentence in (*_built(name, source)[1], *_wrong_columns(name, source))
    ]
    if mistakes:
        raise ConfigError("\n".join(mistakes))


def _quiet_context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx  # loads for six seconds: only where there is something to expect
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _failures(context: RunContext, data: Any, name: str, version: int) -> list[tuple[Expectation, str]]:
    import great_expectations as gx

    source = context.project.sources[name]
    expected, mistakes = _built(name, source)
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    suite = gx.ExpectationSuite(name=name, expectations=expected)
    for place, made in enumerate(expected):
        made.id = str(place)  # by which a result says whose it is; a suite takes none that has one already
    columns = [column for column in source.all_columns if _is_used(column, source.expectations)]
    rows = context.tables.read(prepared(name), version).where("duplicate is null")
    frame = rows.select(*columns or list(source.all_columns))
    batch = data.add_dataframe_asset(name=name).add_batch_definition_whole_dataframe("all")
    try:
        result = batch.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
    finally:
        frame.unpersist()
    failed = [(source.expectations[int(one.expectation_config.id)], one) for one in result.results if not one.success]
    return [(expectation, _sentence(name, expectation, one)) for expectation, one in failed]


def _built(name: str, source: Source) -> tuple[list[Any], list[str]]:
    """Return a source's expectations as Great Expectations has them, and what is wrong with others."""
    built, mistakes = [], []
    for place, expectation in enumerate(source.expectations):
        try:
            built.append(_build(expectation, f"sources.{name}.expectations[{place}]"))
        except ConfigError as error:
            mistakes.append(str(error))
    return built, mistakes


def _wrong_columns(name: str, source: Source) -> list[str]:
    columns = source.all_columns
    return [
        f"sources.{name}.expectations[{place}].arguments.{argument}: expected one of {', '.join(sorted(columns))}; "
        f"found {column!r}{nearest(column, columns)}"
        for place, expectation in enumerate(source.expectations)
        for argument, given in expectation.arguments.items()
        if argument in _COLUMNS
        for column in (given if isinstance(given, list) else [given])
        if isinstance(column, str) and column not in columns
    ]


def _is_used(column: str, expectations: Sequence[Expectation]) -> bool:
    named = [value for expectation in expectations for value in expectation.arguments.values()]
    return any(column == value or (isinstance(value, list) and column in value) for value in named)


def _build(expectation: Expectation, path: str) -> Any:
    import great_expectations.expectations as gxe

    prefix = "Expect"
    camel = prefix + "".join(word.capitalize() for word in expectation.expect.split("_"))
    kind = getattr(gxe, camel, None)
    if kind is None:
        known = [_snake(name.removeprefix(prefix)) for name in dir(gxe) if name.startswith(prefix)]
        raise ConfigError(
            f"{path}.expect: expected an expectation of Great Expectations, without `expect_`; "
            f"found {expectation.expect!r}{nearest(expectation.expect, known)}"
        )
    try:
        return kind(**expectation.arguments)
    except ValueError as error:
        raise ConfigError(f"{path}.arguments: expected what {expectation.expect} takes, found: {error}") from error


def _snake(camel: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in camel).lstrip("_")


def _sentence(name: str, expectation: Expectation, result: Any) -> str:
    found = result.result or {}
    observed = {
        key: found[key]
        for key in (
            "observed_value",
            "unexpected_count",
            "unexpected_percent",
            "element_count",
            "partial_unexpected_list",
        )
        if found.get(key) is not None
    }
    shown = observed or _raised(result)
    column = expectation.arguments.get("column", "the table")
    arguments = {key: value for key, value in expectation.arguments.items() if key != "column"}
    return (
        f"source {name}: expected {expectation.expect} of {column} {arguments or ''}, found {shown}; look at the rows in "
        f"{prepared(name)}, then correct the source, or the expectation in sources.{name}.expectations"
    )


def _raised(result: Any) -> str:
    """Return what went wrong where an expectation could not be worked out at all."""
    information = result.exception_info or {}
    messages = [one.get("exception_message") for one in (information, *information.values()) if isinstance(one, dict)]
    return "; ".join(dict.fromkeys(str(message) for message in messages if message)) or "no value"
