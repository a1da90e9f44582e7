"""What every process does around its work: settings, addresses of the local stack, log, and one sentence on an error."""

from __future__ import annotations

import gc
import logging
import os
import sys
from typing import TYPE_CHECKING

import structlog

from lambda_core.bootstrap import build_context
from lambda_core.errors import MainstemError
from local_stack import stack
from local_stack.errors import StackError

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from lambda_core.context import RunContext

KNOWN_ERROR = 2
"""Exit code of an error that Mainstem knows and explains."""


def addresses() -> dict[str, str]:
    """Return the process's environment, completed by the addresses of the local stack where it runs."""
    found = stack.status().addresses
    return {**(found.as_environment() if found else {}), **os.environ}


def context(*, streaming: bool = False) -> RunContext:
    """Return the context of this process."""
    configure_log()
    return build_context(variables=addresses(), streaming=streaming)


def collect_rarely() -> None:
    """Look for circles of objects seldom: messages and answers are trees, which end with their last reference.

    A scoring worker that answers a thousand requests at once spent a third of its time on walking over them.
    """
    gc.set_threshold(100_000, 50, 100)


def configure_log() -> None:
    """Log to standard error: one line an event, in colour on a terminal and as key=value elsewhere."""
    level = logging.getLevelNamesMapping().get(os.environ.get("MAINSTEM_LOG", "INFO").upper(), logging.INFO)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=True),
            structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), sort_keys=False),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def guarded(work: Callable[[], Any]) -> int:
    """Run the work; return 0, or print the sentence of a known error and return its code."""
    try:
        work()
    except (MainstemError, StackError) as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        action = (type(error).__doc__ or "").partition("Operator action:")[2].strip()
        if action:
            print(f"What to do: {' '.join(action.split())}", file=sys.stderr)
        return KNOWN_ERROR
    return 0
