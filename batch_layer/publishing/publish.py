"""Publishes the batch view. The order of the steps is the guarantee.

1. Read the pointer: whoever flips in between makes the last step fail.
2. Choose the horizon, and pin the versions of all tables by what proves it.
3. Write the tiles of everything before it.
4. Pack and write every entity's batch value under the new generation, between two notes that a Redis which is emptied or
   goes back in time loses; nothing reads it yet.
5. Read all of it back: as many keys, and the same contents.
6. Record the publication, the definition, and, for a new epoch, its mark.
7. Announce the view: from now on a merge worker notes what still appears before its horizon as late, and fills its epoch
   where that is a new one. Wait until it is filled.
8. Ask the broker again: everything before the horizon is still covered. What appeared behind what was prepared, with an
   append time before the horizon all the same, is noted as late here.
9. Flip the pointer, if it is still the one of step 1, the note of step 4 is there and the view is the one announced. What
   was current is now the previous one.
10. Let go of what neither of them names.

The steps over tables are jobs, and others' (`ViewTables`); what goes to Redis, and when, is all here, so that the
simulation of the merge publishes by this very code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from batch_layer.publishing.filling import ForSeconds, Waiting, await_filled, begin_epoch, refuse_short_log
from batch_layer.publishing.horizon import Prepared, choose_horizon, missing
from batch_layer.publishing.retiring import retire, started_ms
from batch_layer.publishing.view_tables import SparkViewTables
from lambda_core.errors import GuardError, StoreError
from lambda_core.fail_points import passed
from lambda_core.repositories.marks import marks_of
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import Script, call_all
from lambda_core.views.pointer import Pointer, Published
from lambda_core.views.script import LATE, Scripts

if TYPE_CHECKING:
    from batch_layer.preparation.tiles import TilesReport
    from batch_layer.publishing.batch_values import Loaded
    from lambda_core.context import RunContext
    from lambda_core.repositories.log import LogRecord, Topics
    from lambda_core.schemas.messages import Update


@dataclass(frozen=True)
class PublicationReport:
    """The view that is current now.

    Attributes:
        covered: source -> records of the raw table before the horizon, each of them prepared or quarantined.
        loaded: group -> its batch values, as they were read back.
        retired: what was given an expiry.
        late: records that appeared before the horizon, too late for the view; the next one counts them.
    """

    generation: str
    horizon: int
    epoch: str
    previous: str | None
    lookback_from_ms: int
    covered: dict[str, int]
    tiles: dict[str, int]
    loaded: dict[str, Loaded]
    retired: dict[str, int]
    late: int = 0


class ViewTables(Protocol):
    """What a publication does with tables."""

    def prepared(self) -> list[Prepared]:
        """Return what of each source was prepared; its versions pin the tables for the whole publication."""
        ...

    def accounts(self, prepared: list[Prepared], horizon: int) -> dict[str, int]:
        """Return source -> records before the horizon; GuardError when raw and prepared do not agree."""
        ...

    def build(self, prepared: list[Prepared], horizon: int) -> TilesReport:
        """Write the tiles of everything before the horizon."""
        ...

    def write(self, generation: str, tiles: TilesReport) -> dict[str, Loaded]:
        """Write every group's batch values to Redis."""
        ...

    def read_back(self, generation: str, tiles: TilesReport) -> dict[str, Loaded]:
        """Return what Redis holds of them."""
        ...

    def rebuilds(self, definition_id: str) -> int:
        """Return the greatest rebuild number that was ever published of a definition; -1 when none was."""
        ...

    def references(self) -> dict[str, str]:
        """Return the content hash of each reference that the definition pins."""
        ...

    def updates(self, source: str, records: list[LogRecord]) -> list[Update]:
        """Return what records of a source's topic become: one update for each feature group and entity that they have."""
        ...

    def record(self, new: Published, prepared: list[Prepared], tiles: TilesReport, loaded: dict[str, Loaded]) -> None:
        """Record the publication."""
        ...


def publish(
    context: RunContext,
    topics: Topics | None = None,
    tables: ViewTables | None = None,
    waiting: Waiting | None = None,
) -> PublicationReport:
    """Publish a batch view of everything that is prepared, and flip to it.

    Args:
        context: its definition is what is published.
        topics: the log; None for the environment's broker, which is asked only where a source has a topic.
        tables: None for the context's own.
        waiting: how long a new epoch may take to be filled; None for a minute.

    Raises:
        GuardError: when the horizon cannot be proven, raw records are missing among the prepared ones, or no worker fills
            a new epoch while the one before still answers.
        StoreError: when what Redis holds is not what was written.
        PointerMovedError: when somebody else published in between; nothing was flipped.
    """
    pointers = PointerRepository(context.redis, context.keys)
    before = pointers.get()
    generation = _generation(context, before)
    topics = topics or _broker(context)
    tables = tables or SparkViewTables(context)
    prepared = tables.prepared()
    horizon = choose_horizon(context, topics, prepared, before.current.horizon if before else 0)
    covered = tables.accounts(prepared, horizon)
    context.log.info("horizon chosen", generation=generation, horizon=horizon, covered=covered)
    tiles = tables.build(prepared, horizon)
    loaded = _load(pointers, tables, generation, tiles)
    context.log.info("batch values loaded", keys={group: found.keys for group, found in loaded.items()})
    new = Published(
        generation=generation,
        horizon=horizon,
        epoch=_epoch(context, before, tables),
        raw_versions={one.source: one.versions["raw"] for one in prepared if "raw" in one.versions},
        lookback_from_ms=tiles.lookback_from_ms,
        positions={one.source: one.positions for one in prepared if one.topic is not None},
    )
    is_new = before is None or new.epoch != before.current.epoch
    if is_new:
        refuse_short_log(context, topics, new)
    tables.record(new, prepared, tiles, loaded)
    DefinitionStore(context.redis, context.keys).put_definition(new.definition_id, tables.references())
    passed("publish.before_mark")
    begin_epoch(context, topics, new.epoch)
    pointers.announce(new)
    if is_new and before is not None and not await_filled(context, topics, new.epoch, waiting or ForSeconds()):
        _refuse_while_answering(context, before, new)
    _ask_again(context, topics, prepared, horizon)
    late = _note_late(context, topics, tables, new)
    passed("publish.before_flip")
    pointer = Pointer(new, before.current if before else None)
    pointers.flip(before.encode() if before else None, pointer, loaded=True)
    passed("publish.after_flip")
    context.log.info("view published", generation=generation, horizon=horizon, epoch=new.epoch)
    retired = retire(context.redis, context.keys, context.definition, pointer)
    passed("publish.after_retire")
    return PublicationReport(
        generation=generation,
        horizon=horizon,
        epoch=new.epoch,
        previous=before.current.generation if before else None,
        lookback_from_ms=tiles.lookback_from_ms,
        covered=covered,
        tiles=tiles.tiles,
        loaded=loaded,
        retired=retired,
        late=late,
    )


def _generation(context: RunContext, before: Pointer | None) -> str:
    """Return the name of the new generation: when it began, and after those that the pointer names."""
    now_ms = context.clock.now_ms()
    if before is not None:
        now_ms = max(now_ms, *(started_ms(one.generation) + 1 for one in before.views))
    return f"g{now_ms}"


def _broker(context: RunContext) -> Topics | None:
    sources = {group.source for group in context.definition.groups.values()}
    if not any(context.project.sources[source].topic for source in sources):
        return None
    from lambda_core.repositories.log import KafkaTopics  # a project of files alone needs no broker

    return KafkaTopics(context.environment.kafka)


def _load(pointers: PointerRepository, tables: ViewTables, generation: str, tiles: TilesReport) -> dict[str, Loaded]:
    """Write all batch values and read them back.

    Raises:
        StoreError: when Redis holds something else than was written.
    """
    pointers.begin(generation)
    passed("publish.before_write")
    written = tables.write(generation, tiles)
    passed("publish.after_write")
    pointers.written(generation)
    found = tables.read_back(generation, tiles)
    for group, was in written.items():
        if found[group] != was:
            raise StoreError(
                f"group {group}, generation {generation}: expected {was.keys} batch values as they were written, found "
                f"{found[group].keys} in Redis{'' if was.keys != found[group].keys else ' with other contents'}; nothing "
                "was flipped: look at Redis' log, then publish again"
            )
    return found


def _ask_again(context: RunContext, topics: Topics | None, prepared: list[Prepared], horizon: int) -> None:
    late = missing(context, topics, prepared, horizon)
    if late:
        raise GuardError(
            f"publish: expected everything before period {horizon} to be covered still, found records that came later: "
            f"{'; '.join(late)}; nothing was flipped: prepare and publish again, and look at the brokers' clocks"
        )


def _refuse_while_answering(context: RunContext, before: Pointer, new: Published) -> None:
    """Keep the view before where it can still answer; where it cannot, one that is not filled yet is better than none."""
    if marks_of(context.redis, context.keys).holds(before.current.epoch, before.current.generation):
        raise GuardError(
            f"publish: expected merge workers to fill the new epoch {new.epoch} up to the end of the log, found it behind; "
            f"{before.current.generation} still answers: start query and merge worker with these settings, then publish again"
        )
    context.log.warning("flips to an epoch that is not filled yet: the one before is lost", epoch=new.epoch)


def _note_late(context: RunContext, topics: Topics | None, tables: ViewTables, new: Published) -> int:
    """Note what appeared behind what was prepared with an append time before the horizon; return how many records.

    What appears from now on is noted by whoever merges it, since the view was announced.
    """
    before_ms, count = new.horizon * context.project.view.period_ms, 0
    updates: list[Update] = []
    for source, positions in new.positions.items():
        topic = context.project.sources[source].topic
        if topics is None or topic is None or not topics.ids([topic]):
            continue
        found = topics.stamped_before(topic, positions, before_ms)
        count += len(found)
        for record in found:
            context.log.warning("record appeared before the horizon", source=source, position=record[:2])
        updates += tables.updates(source, found) if found else []
    calls = Scripts(context.definition, context.keys, new.epoch).late_calls(updates)
    call_all(context.redis, Script(context.redis, LATE), calls)
    return count


def _epoch(context: RunContext, before: Pointer | None, tables: ViewTables) -> str:
    """Return the epoch of the new view: the current one if it is of this definition and still held in full.

    Every other case gets a number that was never used: what an epoch once let go of is never taken for whole.
    """
    definition_id = context.definition.id
    current = before.current if before and before.current.definition_id == definition_id else None
    marks = marks_of(context.redis, context.keys)
    if current is not None and marks.holds(current.epoch, current.generation, everywhere=True):
        return current.epoch
    known = -1 if current is None else current.rebuild
    rebuild = max(known, tables.rebuilds(definition_id)) + 1
    return f"{definition_id}.{rebuild}"
