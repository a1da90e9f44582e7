"""Back to the view that was current before, with one flip."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.errors import GuardError
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.views.pointer import Pointer

if TYPE_CHECKING:
    from lambda_core.context import RunContext


@dataclass(frozen=True)
class RevertReport:
    """The generation that answers now, and the one that was reverted and is now the previous one."""

    generation: str
    horizon: int
    reverted: str


def revert(context: RunContext) -> RevertReport:
    """Make the previous view current again; the reverted one stays as the previous, so that reverting twice undoes it.

    Nothing that the previous view needs was let go: its batch values, and the periods from its horizon on, are kept.

    Raises:
        GuardError: when there is no previous view, or Redis does not hold its epoch in full.
        PointerMovedError: when somebody else flipped in between.
    """
    pointers = PointerRepository(context.redis, context.keys)
    before = pointers.get()
    if before is None or before.previous is None:
        found = "no view" if before is None else f"only {before.current.generation}"
        raise GuardError(f"revert: expected a view that was current before, found {found}; publish first")
    previous, marks = before.previous, marks_of(context.redis, context.keys)
    if not marks.holds(previous.epoch, previous.generation, everywhere=True):
        raise GuardError(
            f"revert: expected Redis to hold epoch {previous.epoch} of {previous.generation}, found no "
            "mark of it: it was emptied; publish instead"
        )
    pointers.flip(before.encode(), Pointer(before.previous, before.current))
    context.log.info("view reverted", generation=before.previous.generation, reverted=before.current.generation)
    return RevertReport(before.previous.generation, before.previous.horizon, before.current.generation)
