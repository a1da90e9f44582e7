"""Publishes the batch view. The order of the steps is the guarantee.

1. Read the pointer: whoever flips in between makes the last step fail.
2. Choose the horizon, and pin the versions of all tables by what proves it.
3. Write the tiles of everything before it.
4. Pack and write every entity's batch value under the new generation; nothing reads it yet.
5. Read all of it back: as many keys, and the same contents.
6. Ask the broker again: everything before the horizon is still covered.
7. Record the publication, the definition, and, for a new epoch, its mark.
8. Flip the pointer, if it is still the one of step 1. What was current is now the previous one.
9. Let go of what neither of them names.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.preparation.tiles import Selection, TilesReport, build_tiles
from batch_layer.publishing.batch_values import BatchValues, Loaded
from batch_layer.publishing.horizon import Prepared, check_accounts, choose_horizon, missing, prepared_of
from batch_layer.publishing.retiring import retire, started_ms
from lambda_core.cleaning.references import reference_hashes
from lambda_core.errors import GuardError, StoreError
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import answering
from lambda_core.schemas import tables
from lambda_core.spark import side_by_side
from lambda_core.views.pointer import Pointer, Published

if TYPE_CHECKING:
    from lambda_core.context import RunContext
    from lambda_core.repositories.log import Topics


@dataclass(frozen=True)
class PublicationReport:
    """The view that is current now.

    Attributes:
        covered: source -> records of the raw table before the horizon, each of them prepared or quarantined.
        loaded: group -> its batch values, as they were read back.
        retired: what was given an expiry.
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


def publish(context: RunContext, topics: Topics | None = None) -> PublicationReport:
    """Publish a batch view of everything that is prepared, and flip to it.

    Args:
        context: its definition is what is published.
        topics: the log; None for the environment's broker, which is asked only where a source has a topic.

    Raises:
        GuardError: when the horizon cannot be proven, or raw records are missing among the prepared ones.
        StoreError: when what Redis holds is not what was written.
        PointerMovedError: when somebody else published in between; nothing was flipped.
    """
    pointers = PointerRepository(context.redis, context.keys)
    before = pointers.get()
    generation = _generation(context, before)
    topics = topics or _broker(context)
    prepared = side_by_side(context, partial(prepared_of, context), _sources(context))
    horizon = choose_horizon(context, topics, prepared, before.current.horizon if before else 0)
    accounts = side_by_side(context, lambda one: check_accounts(context, one, horizon), prepared)
    covered = {one.source: account["raw"] for one, account in zip(prepared, accounts, strict=True)}
    context.log.info("horizon chosen", generation=generation, horizon=horizon, covered=covered)
    tiles = build_tiles(context, Selection(horizon, {one.source: one.versions["prepared"] for one in prepared}))
    groups = list(context.definition.groups)
    loaded = dict(
        zip(groups, side_by_side(context, lambda group: _load(context, group, generation, tiles), groups), strict=True)
    )
    _ask_again(context, topics, prepared, horizon)
    new = Published(
        generation=generation,
        horizon=horizon,
        epoch=_epoch(context, before),
        raw_versions={one.source: one.versions["raw"] for one in prepared if "raw" in one.versions},
        lookback_from_ms=tiles.lookback_from_ms,
    )
    _record(context, new, prepared, tiles, loaded)
    pointer = Pointer(new, before.current if before else None)
    pointers.flip(before.encode() if before else None, pointer)
    context.log.info("view published", generation=generation, horizon=horizon, epoch=new.epoch)
    return PublicationReport(
        generation=generation,
        horizon=horizon,
        epoch=new.epoch,
        previous=before.current.generation if before else None,
        lookback_from_ms=tiles.lookback_from_ms,
        covered=covered,
        tiles=tiles.tiles,
        loaded=loaded,
        retired=retire(context.redis, context.keys, context.definition, pointer),
    )


def _sources(context: RunContext) -> list[str]:
    return list(dict.fromkeys(group.source for group in context.definition.groups.values()))


def _generation(context: RunContext, before: Pointer | None) -> str:
    """Return the name of the new generation: when it began, and after those that the pointer names."""
    now_ms = context.clock.now_ms()
    if before is not None:
        named = [before.current, *([before.previous] if before.previous else [])]
        now_ms = max(now_ms, *(started_ms(one.generation) + 1 for one in named))
    return f"g{now_ms}"


def _broker(context: RunContext) -> Topics | None:
    if not any(context.project.sources[source].topic for source in _sources(context)):
        return None
    from lambda_core.repositories.log import KafkaTopics  # a project of files alone needs no broker

    return KafkaTopics(context.environment.kafka)


def _load(context: RunContext, group: str, generation: str, tiles: TilesReport) -> Loaded:
    """Write a group's batch values and read them back.

    Raises:
        StoreError: when Redis holds something else than was written.
    """
    url = context.environment.redis.get_secret_value()
    values = BatchValues(url, context.keys, context.definition.groups[group], generation)
    frame = context.tables.read(tables.tiles(group), tiles.versions[group])
    written = values.write(frame)
    found = values.read_back(frame)
    if written != found:
        raise StoreError(
            f"group {group}, generation {generation}: expected {written.keys} batch values as they were written, found "
            f"{found.keys} in Redis{'' if written.keys != found.keys else ' with other contents'}; nothing was flipped: "
            "look at Redis' log, then publish again"
        )
    context.log.info("batch values loaded", group=group, keys=found.keys, bytes=found.bytes)
    return found


def _ask_again(context: RunContext, topics: Topics | None, prepared: list[Prepared], horizon: int) -> None:
    late = missing(context, topics, prepared, horizon)
    if late:
        raise GuardError(
            f"publish: expected everything before period {horizon} to be covered still, found records that came later: "
            f"{'; '.join(late)}; nothing was flipped: prepare and publish again, and look at the brokers' clocks"
        )


def _epoch(context: RunContext, before: Pointer | None) -> str:
    """Return the epoch of the new view: the current one if it is of this definition and still held in full.

    Every other case gets a number that was never used: what an epoch once let go of is never taken for whole.
    """
    definition_id = context.definition.id
    if before is not None and before.current.definition_id == definition_id:
        with answering(context.redis):
            if context.redis.sismember(context.keys.mark, before.current.epoch):
                return before.current.epoch
    rebuild = int(before.current.epoch.rsplit(".", 1)[1]) + 1 if before and _same(before, definition_id) else 0
    if context.tables.exists(tables.PUBLICATIONS):
        used = context.tables.read(tables.PUBLICATIONS).where(F.col("definition_id") == definition_id)
        greatest = used.agg(F.max("rebuild")).first()
        rebuild = max(rebuild, greatest[0] + 1) if greatest and greatest[0] is not None else rebuild
    return f"{definition_id}.{rebuild}"


def _same(before: Pointer, definition_id: str) -> bool:
    return before.current.definition_id == definition_id


def _record(
    context: RunContext, new: Published, prepared: list[Prepared], tiles: TilesReport, loaded: dict[str, Loaded]
) -> None:
    """Record the publication and what its definition pins; give a new epoch its mark."""
    row = {
        "generation": new.generation,
        "horizon": new.horizon,
        "epoch": new.epoch,
        "definition_id": new.definition_id,
        "rebuild": int(new.epoch.rsplit(".", 1)[1]),
        "raw_versions": new.raw_versions,
        "prepared_versions": {one.source: one.versions["prepared"] for one in prepared},
        "tile_versions": tiles.versions,
        "lookback_from_ms": new.lookback_from_ms,
        "keys": {group: found.keys for group, found in loaded.items()},
        "run_id": context.run_id,
        "at_ms": context.clock.now_ms(),
    }
    context.tables.append(tables.PUBLICATIONS, context.spark.createDataFrame([row], tables.PUBLICATIONS_SCHEMA))
    DefinitionStore(context.redis, context.keys).put_definition(new.definition_id, reference_hashes(context))
    with answering(context.redis):
        context.redis.sadd(context.keys.mark, new.epoch)
