"""A new epoch: whether the log still holds all that belongs in it, and whether the merge workers have filled it.

An epoch is new after a change of the definition, and when Redis lost the one before. It is filled from the updates topic
while the view before still answers, where there is one: a worker takes an epoch for its own once a view of it is announced.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import tenacity

from lambda_core.errors import GuardError
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.store import answering, shard_slots
from lambda_core.schemas.messages import UPDATES, topic

if TYPE_CHECKING:
    from lambda_core.context import RunContext
    from lambda_core.repositories.log import Topics
    from lambda_core.views.pointer import Published

FILLED_SECONDS = 60.0
"""How long the workers have to fill a new epoch up to where the log ended when it was announced."""
_LOOK_S = 0.1


class Waiting(Protocol):
    """Waits until something is so, and says whether it came to that."""

    def until(self, is_so: Filled) -> bool:
        """Ask again and again, for as long as it is worth it."""
        ...


@dataclass(frozen=True)
class Filled:
    """Whether an epoch holds the updates topic up to these next offsets."""

    context: RunContext
    epoch: str
    ends: dict[int, int]

    def __call__(self) -> bool:
        """Look at what the workers keep beside the data."""
        client, name = self.context.redis, f"{topic(self.context.project.project, UPDATES)}@{self.epoch}"
        ends = {
            self.context.keys.worker(name, partition, slot): end
            for slot in shard_slots(client)
            for partition, end in self.ends.items()
        }
        with answering(client):
            kept = cast("list[bytes | None]", client.mget(list(ends))) if ends else []
        return all(int(found or 0) >= end for found, end in zip(kept, ends.values(), strict=True))


class ForSeconds:
    """Waits by the clock."""

    def __init__(self, seconds: float = FILLED_SECONDS) -> None:
        self._retrying = tenacity.Retrying(
            stop=tenacity.stop_after_delay(seconds),
            wait=tenacity.wait_fixed(_LOOK_S),
            retry=tenacity.retry_if_result(lambda found: not found),
            retry_error_callback=lambda _: False,
        )

    def until(self, is_so: Filled) -> bool:
        """Ask until it is so, or the time is over."""
        return bool(self._retrying(is_so))


def refuse_short_log(context: RunContext, topics: Topics | None, new: Published) -> None:
    """Make sure that the updates topic reaches back to the horizon, and to the copies of what lies behind it.

    Raises:
        GuardError: when records are gone from it that the new epoch would have to hold, or know as copies.
    """
    if topics is None:
        return
    name, view = topic(context.project.project, UPDATES), context.project.view
    if not topics.ids([name]):
        return
    sources = (context.project.sources[group.source] for group in context.definition.groups.values())
    reach_ms = max(source.duplicate_horizon_ms if source.unique_key else 0 for source in sources)
    needed_ms = new.horizon * view.period_ms - reach_ms - view.clock_allowance_ms
    for partition, oldest_ms in topics.oldest(name).items():
        if oldest_ms is not None and oldest_ms > needed_ms:
            raise GuardError(
                f"publish: expected {name}/{partition} to hold updates from {needed_ms} ms on for the new epoch {new.epoch}, "
                f"found its oldest record appended at {oldest_ms} ms; publish again once the horizon has passed that by "
                f"{reach_ms + view.clock_allowance_ms} ms, and let the topic keep more"
            )


def begin_epoch(context: RunContext, topics: Topics | None, epoch: str) -> None:
    """Mark an epoch, before anything names it; a new one holds all there is of it in the process of Redis that now runs."""
    CaughtUp(context.redis, context.keys).begin(epoch, _ends(context, topics) or ())
    marks_of(context.redis, context.keys).add(epoch)


def await_filled(context: RunContext, topics: Topics | None, epoch: str, waiting: Waiting) -> bool:
    """Wait until the workers have filled the epoch up to where the updates topic ends now; tell whether they did."""
    found = _ends(context, topics)
    if found is None:
        return True
    ends = {partition: end for partition, end in found.items() if end > 0}
    context.log.info("new epoch is being filled", epoch=epoch, until=ends)
    return waiting.until(Filled(context, epoch, ends))


def _ends(context: RunContext, topics: Topics | None) -> dict[int, int] | None:
    """Return where each partition of the updates topic ends; None where there is no such topic."""
    name = topic(context.project.project, UPDATES)
    return topics.ends(name) if topics is not None and topics.ids([name]) else None
