"""How far a view may reach: the greatest horizon P for which every record of the log before P is provably prepared.

1. P lies a clock allowance behind the clock: brokers that stamp a little in the past still stamp after P.
2. For every partition of every topic, what was prepared reaches the first record that was appended a clock allowance
   after P or later, as the broker says (read uncommitted); where there is no such record, the end of the log. (The first
   one after P is not enough: behind it another may stand that was stamped a little before P. Behind a record that was
   stamped an allowance after P none can.)
3. At that horizon, raw = prepared + quarantined, position by position, so that nothing was left on the way (see
   `view_tables`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.errors import GuardError, PositionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from lambda_core.context import RunContext
    from lambda_core.repositories.log import Topics


@dataclass(frozen=True)
class Prepared:
    """What of one source was prepared.

    Attributes:
        versions: of the tables `raw`, `prepared` and `quarantine`; without an entry where there is no such table.
        positions: partition -> next offset that was not prepared yet.
    """

    source: str
    topic: str | None
    versions: dict[str, int]
    positions: dict[int, int]


def choose_horizon(context: RunContext, topics: Topics | None, prepared: list[Prepared], least: int) -> int:
    """Return the greatest horizon, at least `least`, up to which everything was prepared.

    Raises:
        GuardError: when not even `least` is reached: the raw writer or the preparation lies behind.
        PositionError: when more was prepared than a topic holds: it is another topic of the same name.
    """
    view = context.project.view
    greatest = (context.clock.now_ms() - view.clock_allowance_ms) // view.period_ms
    if greatest < least:
        raise GuardError(
            f"publish: expected a horizon from {least} on, found {greatest} by the clock; correct the clock"
        )

    def is_reached(horizon: int) -> bool:
        return not missing(context, topics, prepared, horizon)

    if not is_reached(least):
        raise GuardError(
            f"publish: expected everything before period {least} to be prepared, found it missing: "
            f"{'; '.join(missing(context, topics, prepared, least))}; let the raw writer catch up, then run preparation"
        )
    return _greatest(is_reached, least, greatest)


def missing(context: RunContext, topics: Topics | None, prepared: list[Prepared], horizon: int) -> list[str]:
    """Return one sentence a partition whose records before the horizon were not all prepared; asks the broker anew."""
    view = context.project.view
    moment_ms = horizon * view.period_ms + view.clock_allowance_ms
    sentences: list[str] = []
    for one in prepared:
        if topics is None or one.topic is None or not topics.ids([one.topic]):
            continue  # a topic that does not exist holds no records
        ends, firsts = topics.ends(one.topic), topics.at_time(one.topic, moment_ms)
        for partition, end in sorted(ends.items()):
            reached, first = one.positions.get(partition, 0), firsts.get(partition)
            if reached > end:
                raise PositionError(
                    f"topic {one.topic}, partition {partition}: expected positions up to its end {end}, found {reached} "
                    "prepared; it was made again under its name: restore it, or rebuild from the raw table"
                )
            needed = end if first is None else first
            if reached < needed:
                sentences.append(f"{one.topic}/{partition}: prepared up to {reached}, needed {needed}")
    return sentences


def _greatest(is_reached: Callable[[int], bool], least: int, greatest: int) -> int:
    """Return the greatest number in `[least, greatest]` that is reached; what is not is followed by none that is."""
    if is_reached(greatest):
        return greatest
    while greatest - least > 1:
        middle = (least + greatest) // 2
        least, greatest = (middle, greatest) if is_reached(middle) else (least, middle)
    return least
