"""Tiles of a view: the states of each entity, interval by interval, of everything on the batch side of a horizon.

The view covers all rows of files, and the rows of the log whose period lies before the horizon. Of its history it keeps
what an exact read may need: with `lookback_from = last event - lookback`, no read before `lookback_from` is exact, so
for each hop the tiles from `floor(lookback_from - longest window, hop)` on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.features.states_sql import COUNTED, tile_frame
from lambda_core.features.windows import floor_to
from lambda_core.schemas import tables
from lambda_core.spark import side_by_side

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from lambda_core.context import RunContext
    from lambda_core.features.definition import FeatureGroup


@dataclass(frozen=True)
class Selection:
    """What a view covers.

    Attributes:
        horizon: the first period of the log that it does not cover.
        prepared: source -> version of its prepared table that is read.
    """

    horizon: int
    prepared: dict[str, int]


@dataclass(frozen=True)
class TilesReport:
    """What was written.

    Attributes:
        versions: group -> version of its tiles table. tiles: group -> how many.
        lookback_from_ms: reads before this event time are not exact; 0 when the view holds no event.
    """

    versions: dict[str, int]
    tiles: dict[str, int]
    lookback_from_ms: int


def build_tiles(context: RunContext, selection: Selection) -> TilesReport:
    """Write `tiles_<group>` for every group of the view that the selection covers."""
    lookback_from_ms = _lookback_from(context, selection)

    def write(group: FeatureGroup) -> tuple[int, int]:
        frame = _kept(group, covered(context, group.source, selection), lookback_from_ms)
        version = context.tables.replace(tables.tiles(group.name), frame)
        count = context.tables.read(tables.tiles(group.name), version).count()
        context.log.info("tiles written", group=group.name, tiles=count, version=version)
        return version, count

    groups = context.definition.groups
    written = dict(zip(groups, side_by_side(context, write, groups.values()), strict=True))
    versions = {name: version for name, (version, _) in written.items()}
    return TilesReport(versions, {name: count for name, (_, count) in written.items()}, lookback_from_ms)


def covered(context: RunContext, source: str, selection: Selection) -> DataFrame:
    """Return one row an event of the source that the view counts."""
    prepared = context.tables.read(tables.prepared(source), selection.prepared[source])
    return prepared.where(COUNTED).where(in_view(selection.horizon))


def in_view(horizon: int) -> str:
    """Return the condition for a prepared row to be on the batch side: of a file, or of a period before the horizon."""
    return f"(`partition` < 0 or period < {horizon}L)"


def _kept(group: FeatureGroup, events: DataFrame, lookback_from_ms: int) -> DataFrame:
    """Return the tiles of the events, each hop from the first that an exact read may need."""
    oldest = {hop: floor_to(lookback_from_ms - group.longest_window_ms(hop), hop) for hop in group.hops_ms}
    needed = " or ".join(f"(hop_ms = {hop}L and tile_start_ms >= {start}L)" for hop, start in oldest.items())
    last = events.where(f"event_time_ms >= {min(oldest.values())}L")
    return tile_frame(group, last).where(needed)


def _lookback_from(context: RunContext, selection: Selection) -> int:
    """Return the greatest event time of the view less its lookback."""

    def last(source: str) -> int | None:
        found = covered(context, source, selection).agg(F.max("event_time_ms")).first()
        return found[0] if found else None

    sources = dict.fromkeys(group.source for group in context.definition.groups.values())
    greatest = [found for found in side_by_side(context, last, sources) if found is not None]
    return max(greatest) - context.project.view.lookback_ms if greatest else 0
