"""What follows the messages that sources have data: ingestion, preparation, and the stages that the project declares.

1. Ingest each source, side by side; say `raw data extracted`.
2. Prepare them, and the sources that look them up, whose rows they decide; say `data prepared` of each. What no lookup
   connects is prepared side by side. A source whose references are not prepared yet waits: their message prepares it.
3. Join: once every source that features need is prepared, and none of those asked for failed, run the stages of
   `chain.then`, once for all messages; publishing says `features generated`.

A step that fails ends the chain of the messages it was for and is said; whatever came before it stands. Every step is
idempotent, so that a message that comes again changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import msgspec

from lambda_core.cleaning.references import references_of, with_references
from lambda_core.errors import DataError
from lambda_core.nearest import nearest
from lambda_core.schemas.messages import DATA_AVAILABLE, STEP_FAILED, Said

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from lambda_core.config.project import Project

PUBLISHING = "publishing"

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Ask:
    """What one message asks for.

    Attributes:
        place: `<topic>/<partition>/<offset>` of the message.
        full: all of the source is to be looked at, and not only what is new.
        together: the sources that were announced in the same moment.
    """

    source: str
    place: str
    full: bool = False
    together: tuple[str, ...] = ()


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
    source, known = said.source or "none", sorted(project.sources)
    for found in (source, *said.together):
        if found not in known:
            raise DataError(
                f"message {place}: expected a source out of {', '.join(known)}; found {found!r}{nearest(found, known)}"
            )
    return Ask(source, place, said.full, tuple(said.together))


class Steps(Protocol):
    """How the chain does its work: one run, whose context and servers it does not know."""

    def side_by_side(self, work: Callable[[Item], Result], items: Collection[Item]) -> list[Result]:
        """Return `work(item)` of every item, in the items' order; several run at a time."""
        ...

    def run(self, stage: str, sources: tuple[str, ...], *, full: bool) -> tuple[Any, Exception | None]:
        """Run a stage for these sources (none named: it has no part); return its report, or what it raised."""
        ...

    def tell(self, stage: str, asks: Sequence[Ask], report: Any) -> None:
        """Say what the stage did, in answer to these."""
        ...

    def say(self, said: Said, asks: Sequence[Ask]) -> None:
        """Say something else, in answer to these."""
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

    def follow(self, asks: Sequence[Ask], steps: Steps) -> dict[Ask, Exception]:
        """Do what follows messages that came together; return those that ended early, each with what ended it."""
        asking = {source: [ask for ask in asks if ask.source == source] for source in (ask.source for ask in asks)}
        failed = self._ingest(asking, steps)
        groups = self.to_prepare(
            [source for source in asking if source not in failed], steps.has_raw, steps.is_prepared
        )
        failed |= self._prepare(groups, asking, steps)
        ready = {source for group in groups for source in group} - set(failed)
        for source in asking:
            if source not in failed and source not in ready:
                steps.waits("preparation", self._unprepared(references_of(self._project, source), steps.is_prepared))
        done = [ask for ask in asks if ask.source in ready]
        error = self._join(done, failed, steps) if done else None
        failed |= {ask.source: error for ask in done if error is not None}
        return {ask: failed[ask.source] for ask in asks if ask.source in failed}

    def _ingest(self, asking: Mapping[str, Sequence[Ask]], steps: Steps) -> dict[str, Exception]:
        """Ingest each source; return those that failed."""

        def ingest(source: str) -> Exception | None:
            full = any(ask.full for ask in asking[source])
            return self._step(steps, "ingestion", (source,), asking[source], full=full)

        errors = zip(asking, steps.side_by_side(ingest, asking), strict=True)
        return {source: error for source, error in errors if error is not None}

    def _prepare(
        self, groups: Sequence[tuple[str, ...]], asking: Mapping[str, Sequence[Ask]], steps: Steps
    ) -> dict[str, Exception]:
        """Prepare each group; return the sources of those that failed."""

        def prepare(group: tuple[str, ...]) -> Exception | None:
            return self._step(steps, "preparation", group, [ask for name in group for ask in asking.get(name, ())])

        errors = zip(groups, steps.side_by_side(prepare, groups), strict=True)
        return {source: error for group, error in errors if error is not None for source in group}

    def _join(self, asks: Sequence[Ask], failed: Collection[str], steps: Steps) -> Exception | None:
        """Run what follows once for all of these; return what kept it from its end."""
        needed = self.needed()
        without = [source for source in needed if source in failed]
        if without and self.then:
            steps.waits(self.then[0], without)
            sources = ", ".join(dict.fromkeys(ask.source for ask in asks))
            error = DataError(
                f"{sources}: expected {', '.join(without)} to be prepared with it, found that this failed; "
                "correct that and announce it again: features are made then, of all that is prepared"
            )
            return self._failed(steps, asks, self.then[0], error)
        missing = self._unprepared(needed, steps.is_prepared)
        if missing and self.then:
            steps.waits(self.then[0], missing)
            return None
        ends = (self._step(steps, stage, (), asks) for stage in self.then)
        return next((error for error in ends if error is not None), None)

    def to_prepare(
        self, sources: Sequence[str], has_raw: Callable[[str], bool], is_prepared: Callable[[str], bool]
    ) -> list[tuple[str, ...]]:
        """Return what to prepare when sources have new records, in groups that no lookup connects.

        That is, these themselves, and whoever looks them up and has records. A source whose other references are not
        prepared, and will not be now, is left out.
        """
        found = list(sources)
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
                return [group for group in self._apart(found) if set(group) & set(sources)]
            found = left

    def _apart(self, names: Sequence[str]) -> list[tuple[str, ...]]:
        """Return the names in groups, such that none looks up a source of another group."""
        groups: list[tuple[str, ...]] = []
        for name in names:
            own = [group for group in groups if any(self._connected(name, other) for other in group)]
            groups = [group for group in groups if group not in own] + [(*chain.from_iterable(own), name)]
        return groups

    def _connected(self, one: str, other: str) -> bool:
        return one in references_of(self._project, other) or other in references_of(self._project, one)

    def needed(self) -> list[str]:
        """Return the sources that features are made of, with the references that these look up."""
        return with_references(self._project, (group.source for group in self._project.feature_groups.values()))

    @staticmethod
    def _unprepared(names: Collection[str], is_prepared: Callable[[str], bool]) -> list[str]:
        return [name for name in names if not is_prepared(name)]

    def _step(
        self, steps: Steps, stage: str, sources: tuple[str, ...], asks: Sequence[Ask], *, full: bool = False
    ) -> Exception | None:
        """Run a stage and say what became of it, in answer to these; return what it raised."""
        report, error = steps.run(stage, sources, full=full)
        if error is not None:
            return self._failed(steps, asks, stage, error)
        steps.tell(stage, asks, report)
        return None

    @staticmethod
    def _failed(steps: Steps, asks: Sequence[Ask], stage: str, error: Exception) -> Exception:
        said = Said(event=STEP_FAILED, source=asks[-1].source, error=f"{stage}: {type(error).__name__}: {error}")
        steps.say(said, asks)
        return error
