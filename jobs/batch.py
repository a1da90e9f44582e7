"""The batch stages, for spark-submit: `spark-submit.sh jobs/batch.py [STAGE ...]`; all of them when none is named."""

from __future__ import annotations

import argparse
import datetime as dt
import shlex
import sys
from typing import TYPE_CHECKING

import structlog

from jobs.process import configure_log, context, guarded
from jobs.stages import STAGES, Part, stage
from lambda_core.runner import Runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from lambda_core.context import RunContext

DONE = "request done"
"""What is logged after each line that was followed, with the exit code it would have had as a command."""


def main(arguments: list[str] | None = None, make_context: Callable[[], RunContext] | None = None) -> int:
    """Run the named stages one after the other; return the exit code.

    Args:
        arguments: the words of the command; the process's own when None.
        make_context: makes the context that they run in; None for the process's own.
    """
    parser = argparse.ArgumentParser(description=__doc__, epilog=f"Stages, in order: {', '.join(STAGES)}.")
    parser.add_argument("stages", nargs="*", metavar="STAGE", choices=[*STAGES, []], help="a stage; default: all")
    parser.add_argument("--source", action="append", default=[], help="ingest and prepare only this source; repeatable")
    parser.add_argument("--full", action="store_true", help="ingestion, preparation: all records, not only new ones")
    parser.add_argument(
        "--since", type=moment_ms, metavar="TIME", help="training_rows, scoring: only what asked from this moment on"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="run what each line of standard input asks for, in these words, until it ends: one Spark session for all",
    )
    chosen = parser.parse_args(arguments)
    if chosen.follow:
        configure_log()
        return follow(sys.stdin, make_context)
    part = Part(tuple(chosen.source), chosen.since, chosen.full)
    return guarded(lambda: run(chosen.stages or list(STAGES), part, make_context))


def follow(requests: Iterable[str], make_context: Callable[[], RunContext] | None = None) -> int:
    """Run every line as if it were a command's arguments, and log that it is done; return the greatest exit code."""
    codes = [0]
    for line in requests:
        try:
            codes.append(main(shlex.split(line), make_context))
        except SystemExit as refused:  # by the parser, which has said why
            codes.append(int(refused.code or 0))
        structlog.get_logger().info(DONE, code=codes[-1])
    return max(codes)


def moment_ms(text: str) -> int:
    """Return an ISO 8601 moment in milliseconds since 1970-01-01 UTC; without a zone it is UTC.

    Example:
        >>> moment_ms("1970-01-02"), moment_ms("1970-01-01T01:00:00+01:00")
        (86400000, 0)
    """
    moment = dt.datetime.fromisoformat(text)
    return int((moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)).timestamp() * 1000)


def run(named: list[str], part: Part | None = None, make_context: Callable[[], RunContext] | None = None) -> None:
    """Run the named stages in one context, each with its audit, lineage and timing, if all expressions can work."""
    from lambda_core.cleaning import check_expressions  # Spark is loaded by what needs it

    made = (make_context or context)()
    check_expressions(made.spark, made.project)
    runner = Runner(made)
    pages = [page for name in named for page in getattr(runner.run(name, stage(name, part)), "pages", ())]
    for page in pages:
        print(f"condition of the data: {page}")


if __name__ == "__main__":
    sys.exit(main())
