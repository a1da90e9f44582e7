"""The listener, for spark-submit: messages of the chain, and the project's schedules, start the batch stages."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from jobs.process import context, guarded
from jobs.stages import Part, known_stages, stage
from lambda_core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_core.context import RunContext


def main() -> int:
    """Listen until SIGTERM; return the exit code."""
    return guarded(run)


def run() -> None:
    """Listen until SIGTERM, if all expressions can work and all stages are known."""
    from batch_layer.listening import listen  # Spark is loaded by what needs it
    from lambda_core.cleaning import check_expressions
    from speed_layer.stopping import stop_on_signals

    own, stop = context(), stop_on_signals()
    known_stages(own.project)
    check_expressions(own.spark, own.project)
    counts = listen(own, stage_of, stop)
    print(f"{counts.followed} followed, {counts.failed} failed, {counts.broken} broken")


def announce(sources: list[str], *, full: bool) -> None:
    """Send the messages that sources have data; what follows them is done once, after all of them.

    Raises:
        ConfigError: when the project declares no such source.
    """
    from batch_layer.listening import Speaker, announcements

    own = context()
    for source in sources:
        if source not in own.project.sources:
            raise ConfigError(f"announce: expected one of {', '.join(sorted(own.project.sources))}; found {source!r}")
    speaker = Speaker(own)
    for said in announcements(sources, full=full):
        speaker.say(said)
        print(f"{said.source}: said on {speaker.topic}")


def stage_of(name: str, sources: tuple[str, ...], full: bool) -> Callable[[RunContext], Any]:  # noqa: FBT001
    """Return a stage for these sources as a function of a context."""
    return stage(name, Part(sources, full=full))


if __name__ == "__main__":
    sys.exit(main())
