"""The loop over the messages of the chain: at least once, and no message stops it.

1. Take the messages that wait, and those that were announced together with one of them.
2. One that is broken is counted, told and left behind; one that asks for nothing is left behind.
3. Follow the others together, under one run id.
4. Keep the positions. What ends this process before that has the messages come again: every step is idempotent.
"""

from __future__ import annotations

import uuid
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import tenacity

from batch_layer.listening.chain import Chain, ask_of
from batch_layer.listening.saying import Speaker, said_of, with_own_run
from batch_layer.listening.schedule import keeping_schedules
from batch_layer.listening.taking import take
from lambda_core.errors import DataError, PositionError, ServerError
from lambda_core.notifications import Notification
from lambda_core.repositories.log import kafka_errors, listener
from lambda_core.runner import Runner
from lambda_core.schemas.tables import prepared, raw
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence
    from threading import Event

    from batch_layer.listening.chain import Ask, Item, Result
    from lambda_core.context import RunContext
    from lambda_core.schemas.messages import Said

    StageOf = Callable[[str, tuple[str, ...], bool], Callable[[RunContext], Any]]
    """(stage, sources, full) -> the stage as a function of a context that returns its report."""

_LONGEST_WAIT_S = 30


@dataclass
class Counts:
    """What became of messages since the loop began."""

    followed: int = 0
    failed: int = 0
    broken: int = 0
    answers: int = 0


class _StoppedError(Exception):
    """The loop is to end while a message waits for its servers: the message stays where it is."""


def listen(context: RunContext, stage_of: StageOf, stop: Event) -> Counts:
    """Follow messages, and send those of the project's schedules, until `stop` is set; return what became of them.

    Raises:
        KafkaError: when the broker cannot be reached at the begin.
    """
    speaker, chain, counts = Speaker(context), Chain(context.project), Counts()
    group = f"mainstem.{context.project.project}.listen"
    with (
        closing(listener(context.environment.kafka, speaker.topic, group)) as messages,
        keeping_schedules(context, speaker.say),
    ):
        context.log.info("listening", topic=speaker.topic, then=chain.then)
        while not stop.is_set():
            found, asks = take(messages, partial(_read, context, counts), stop)
            if stop.is_set():
                break  # some may wait for others: all stay where they are
            try:
                failed = chain.follow(asks, _Run(context, stage_of, speaker, stop)) if asks else {}
            except _StoppedError:
                break
            counts.failed += len(failed)
            counts.followed += len(asks) - len(failed)
            _keep(context, messages, found)
    context.log.info("no longer listening", **vars(counts))
    return counts


def _read(context: RunContext, counts: Counts, message: Any) -> Ask | None:
    """Return what one message asks for, and count it if that is nothing."""
    if message.error() is not None:
        context.log.warning("waits for the broker", reason=message.error().str())
        return None
    place = f"{message.topic()}/{message.partition()}/{message.offset()}"
    try:
        ask = ask_of(context.project, message.value() or b"", place)
    except DataError as error:
        counts.broken += 1
        context.log.warning("broken message", broken=counts.broken, reason=str(error))
        Runner(context).tell(Notification("warning", f"broken message, {counts.broken} so far", str(error)))
        return None
    counts.answers += ask is None
    return ask


def _keep(context: RunContext, messages: Any, found: Sequence[Any]) -> None:
    """Keep the positions behind messages; where the group was shared anew meanwhile, another one follows them again."""
    last = {message.partition(): message for message in found if message.error() is None}
    for message in last.values():
        try:
            with kafka_errors(context.environment.kafka):
                messages.commit(message=message, asynchronous=False)
        except ServerError as error:
            context.log.warning("position not kept: the message may come again", reason=str(error))


class _Run:
    """The steps of messages followed together: stages in one run, tried again while their servers are away."""

    def __init__(self, context: RunContext, stage_of: StageOf, speaker: Speaker, stop: Event) -> None:
        self._context = with_own_run(context, uuid.uuid4().hex[:12])
        self._stage_of, self._speaker, self._stop = stage_of, speaker, stop

    def side_by_side(self, work: Callable[[Item], Result], items: Collection[Item]) -> list[Result]:
        """Return `work(item)` of every item, in the items' order; several run at a time."""
        return side_by_side(self._context, work, items)

    def run(self, stage: str, sources: tuple[str, ...], *, full: bool) -> tuple[Any, Exception | None]:
        """Run a stage; return its report, or what it raised."""
        work = self._stage_of(stage, sources, full)
        trying = tenacity.Retrying(
            retry=tenacity.retry_if_result(lambda found: _is_passing(found[1])),
            wait=tenacity.wait_exponential(multiplier=0.5, max=_LONGEST_WAIT_S),
            stop=tenacity.stop_after_attempt(self._context.project.chain.tries)
            | tenacity.stop_when_event_set(self._stop),
            sleep=tenacity.sleep_using_event(self._stop),
            retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
        )
        found: tuple[Any, Exception | None] = trying(Runner(self._context).attempt, stage, work)
        if self._stop.is_set() and _is_passing(found[1]):
            raise _StoppedError
        return found

    def tell(self, stage: str, asks: Sequence[Ask], report: Any) -> None:
        """Say what the stage did, in answer to these."""
        for said in said_of(self._context, stage, asks[-1].source, report):
            self.say(said, asks)

    def say(self, said: Said, asks: Sequence[Ask]) -> None:
        """Say something, as part of this run, in answer to the message about its source, or the last, and others."""
        places = [ask.place for ask in sorted(asks, key=lambda ask: ask.source == said.source)]
        answer = msgspec.structs.replace(
            said, run_id=self._context.run_id, asked_by=places[-1], also_asked_by=places[:-1]
        )
        self._speaker.say(answer)

    def has_raw(self, source: str) -> bool:
        """Tell whether the source has a raw table."""
        return self._context.tables.exists(raw(source))

    def is_prepared(self, source: str) -> bool:
        """Tell whether the source has a prepared table."""
        return self._context.tables.exists(prepared(source))

    def waits(self, stage: str, missing: Collection[str]) -> None:
        """Tell people that a step waits for other sources."""
        self._context.log.info("waits for other sources", step=stage, missing=sorted(missing))


def _is_passing(error: Exception | None) -> bool:
    return isinstance(error, ServerError) and not isinstance(error, PositionError)
