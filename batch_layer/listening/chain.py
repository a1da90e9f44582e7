"""What follows the message that a source has data: ingestion, preparation, and the stages that the project declares.

1. Ingest the source; say `raw data extracted`.
2. Prepare it, and the sources that look it up, whose rows it decides; say `data prepared` of each. A source whose
   references are not prepared yet waits: their own message prepares it.
3. Once every source that features need is prepared, run the stages of `chain.then`; publishing says `features generated`.

A step that fails ends the chain of this message and is said; whatever came before it stands. Every step is idempotent, so
that a message that comes again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from lambda_core.cleaning.references import references_of
from lambda_core.errors import DataError
from lambda_core.nearest import nearest
from lambda_core.schemas.messages import DATA_AVAILABLE, STEP_FAILED, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from lambda_core.config.project import Project

PUBLISHING = "publishing"


@dataclass(frozen=True)
class Ask:
    """What one message asks for.

    Attributes:
        place: `<topic>/<partition>/<offset>` of the message.
        full: all of the source is to be looked at, and not only what is new.
    """

    source: str
    place: str
    full: bool = False


def ask_of(project: Project, value: bytes, place: str) -> Ask | None:
    """Return what a message asks for; None for one that is an answer, or of somebody else.

    Raises:
        DataError: when it is no message of the chain, or names a source that the project does not declare.
    """
    try:
        said = msgspec.json.decode(value, type=Said)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise DataError(f"message {place}: expected a JSON object with an event, found another: {error}") from error
    if said.event != DATA_AVAILABLE:
        return None
    if said.source not in project.sources:
        known, found = sorted(project.sources), said.source or "none"
        raise DataError(
            f"message {place}: expected a source out of {', '.join(known)}; found {found!r}{nearest(found, known)}"
        )
    return Ask(said.source, place, said.full)


class Steps(Protocol):
    """How the chain does its work: one run, whose context and servers it does not know."""

    def run(self, stage: str, sources: tuple[str, ...], *, full: bool) -> tuple[Any, Exception | None]:
        """Run a stage for these sources (none named: it has no part); return its report, or what it raised."""
        ...

    def tell(self, stage: str, source: str, report: Any) -> None:
        """Say what the stage did."""
        ...

    def say(self, said: Said) -> None:
        """Say something else."""
        ...

    def has_raw(self, source: str) -> bool:
        """Tell whether the source has a raw table."""
        ...

    def is_prepared(self, source: str) -> bool:
        """Tell whether the source has a prepared table."""
        ...

    def waits(self, stage: str, missing: Collection[str]) -> None:
        """Tell people that a step waits for other sources."""
        ...


class Chain:
    """The chain of one project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        declared = project.chain.then
        self.then = ((PUBLISHING,) if project.feature_groups else ()) if declared is None else declared

    def follow(self, ask: Ask, steps: Steps) -> Exception | None:
        """Do what follows a message; return what ended it early, if anything did."""
        report, error = steps.run("ingestion", (ask.source,), full=ask.full)
        if error is not None:
            return self._failed(steps, ask, "ingestion", error)
        steps.tell("ingestion", ask.source, report)
        own = self.to_prepare(ask.source, steps.has_raw, steps.is_prepared)
        if ask.source not in own:
            steps.waits("preparation", self._unprepared(references_of(self._project, ask.source), steps.is_prepared))
            return None
        report, error = steps.run("preparation", own, full=False)
        if error is not None:
            return self._failed(steps, ask, "preparation", error)
        steps.tell("preparation", ask.source, report)
        missing = self._unprepared(self.needed(), steps.is_prepared)
        if missing and self.then:
            steps.waits(self.then[0], missing)
            return None
        for stage in self.then:
            report, error = steps.run(stage, (), full=False)
            if error is not None:
                return self._failed(steps, ask, stage, error)
            steps.tell(stage, ask.source, report)
        return None

    def to_prepare(
        self, source: str, has_raw: Callable[[str], bool], is_prepared: Callable[[str], bool]
    ) -> tuple[str, ...]:
        """Return what to prepare when a source has new records: itself, and whoever looks it up and has records.

        A source whose other references are not prepared, and will not be now, is left out.
        """
        found = [source]
        for one in found:
            users = (name for name in self._project.sources if one in references_of(self._project, name))
            found += [name for name in users if name not in found and has_raw(name)]
        while True:
            left = [
                name
                for name in found
                if all(ref in found or is_prepared(ref) for ref in references_of(self._project, name))
            ]
            if left == found:
                return tuple(found)
            found = left

    def needed(self) -> list[str]:
        """Return the sources that features are made of, with the references that these look up."""
        found = list(dict.fromkeys(group.source for group in self._project.feature_groups.values()))
        for one in found:
            found += [name for name in references_of(self._project, one) if name not in found]
        return found

    @staticmethod
    def _unprepared(names: Collection[str], is_prepared: Callable[[str], bool]) -> list[str]:
        return [name for name in names if not is_prepared(name)]

    @staticmethod
    def _failed(steps: Steps, ask: Ask, stage: str, error: Exception) -> Exception:
        steps.say(Said(event=STEP_FAILED, source=ask.source, error=f"{stage}: {type(error).__name__}: {error}"))
        return error
