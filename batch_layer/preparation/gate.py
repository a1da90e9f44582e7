"""The quality gate: the project's expectations, held against the rows that count. It may stop; it never removes."""

from __future__ import annotations

import os
from threading import Lock
from typing import TYPE_CHECKING, Any

from lambda_core.errors import ConfigError, GateError
from lambda_core.nearest import nearest
from lambda_core.schemas.tables import prepared

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lambda_core.config.sources import Expectation
    from lambda_core.context import RunContext

# Counts, shares and at most twenty examples; the complete format would bring every failing row to the driver.
_RESULT_FORMAT = {"result_format": "SUMMARY"}
_ALONE = Lock()
"""Great Expectations has one context a process, while a listener prepares several sources at the same time."""


def check_expectations(context: RunContext, sources: Sequence[str]) -> tuple[str, ...]:
    """Hold the sources' prepared rows that count to their expectations; return the sentences of those that only warn.

    Raises:
        ConfigError: when an expectation does not exist or does not take its arguments.
        GateError: naming source, expectation, column, what was observed, and what to do; one line each.
    """
    declared = [name for name in sources if context.project.sources[name].expectations]
    if not declared:
        return ()
    begin = context.clock.now_ms()
    with _ALONE:
        data = _quiet_context().data_sources.add_spark("prepared", persist=True)
        missed = [found for name in declared for found in _failures(context, data, name)]
    failures = [sentence for expectation, sentence in missed if expectation.severity == "fail"]
    warnings = [sentence for expectation, sentence in missed if expectation.severity != "fail"]
    for sentence in warnings:
        context.log.warning("expectation missed", expectation=sentence)
    seconds = (context.clock.now_ms() - begin) / 1000
    context.log.info("expectations checked", sources=len(declared), failed=len(failures), seconds=seconds)
    if failures:
        raise GateError("\n".join(failures))
    return tuple(warnings)


def _quiet_context() -> Any:
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx  # loads for six seconds: only where there is something to expect
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False)
    return context


def _failures(context: RunContext, data: Any, name: str) -> list[tuple[Expectation, str]]:
    import great_expectations as gx

    source = context.project.sources[name]
    expected = [
        _build(expectation, f"sources.{name}.expectations[{place}]")
        for place, expectation in enumerate(source.expectations)
    ]
    suite = gx.ExpectationSuite(name=name, expectations=expected)
    for place, made in enumerate(expected):
        made.id = str(place)  # by which a result says whose it is; a suite takes none that has one already
    columns = [column for column in source.all_columns if _is_used(column, source.expectations)]
    frame = context.tables.read(prepared(name)).where("duplicate is null").select(*columns or list(source.all_columns))
    batch = data.add_dataframe_asset(name=name).add_batch_definition_whole_dataframe("all")
    try:
        result = batch.get_batch({"dataframe": frame}).validate(suite, result_format=_RESULT_FORMAT)
    finally:
        frame.unpersist()
    failed = [(source.expectations[int(one.expectation_config.id)], one) for one in result.results if not one.success]
    return [(expectation, _sentence(name, expectation, one)) for expectation, one in failed]


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
