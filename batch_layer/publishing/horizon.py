"""How far a view may reach: the greatest horizon P for which every record of the log before P is provably prepared.

1. P lies a clock allowance behind the clock: brokers that stamp a little in the past still stamp after P.
2. For every partition of every topic, what was prepared reaches the first record that was appended at or after P, as
   the broker says (read uncommitted); where there is no such record, the end of the log.
3. At that horizon, raw = prepared + quarantined, position by position, so that nothing was left on the way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from lambda_core.errors import GuardError, PositionError
from lambda_core.schemas import tables

if TYPE_CHECKING:
    from collections.abc import Callable

    from pyspark.sql import Column, DataFrame

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


def prepared_of(context: RunContext, source: str) -> Prepared:
    """Return what of a source was prepared; the versions pin it for the whole publication."""
    names = {"raw": tables.raw(source), "prepared": tables.prepared(source), "quarantine": tables.quarantine(source)}
    found = {kind: name for kind, name in names.items() if kind == "prepared" or context.tables.exists(name)}
    versions = {kind: context.tables.version(name) for kind, name in found.items()}
    rows = _placed(context, source, versions).where("`partition` >= 0")
    reached = rows.groupBy("partition").agg((F.max("offset") + 1).alias("next")).collect()
    return Prepared(
        source, context.project.sources[source].topic, versions, {row["partition"]: row["next"] for row in reached}
    )


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
    moment_ms = horizon * context.project.view.period_ms
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


def check_accounts(context: RunContext, one: Prepared, horizon: int) -> dict[str, int]:
    """Return the numbers of raw and of prepared or quarantined records that the view covers; they are equal.

    Raises:
        GuardError: when they are not: something was ingested after the preparation, or was lost in it.
    """
    if "raw" not in one.versions:
        return {"raw": 0, "prepared": 0}
    period = F.floor(F.col("append_time_ms") / context.project.view.period_ms)
    of_view = (F.col("partition") < 0) | ((period < horizon) & (F.col("offset") < _reached_by(one)))
    raw = context.tables.read(tables.raw(one.source), one.versions["raw"]).where(of_view)
    counted = {
        "raw": _positions(raw),
        "prepared": _positions(_placed(context, one.source, one.versions).where(of_view)),
    }
    if counted["raw"] != counted["prepared"]:
        raise GuardError(
            f"publish: expected every raw record of {one.source} before period {horizon} to be prepared or quarantined, "
            f"found {counted['raw']} raw and {counted['prepared']} of the others; run preparation, then publish again"
        )
    return counted


def _greatest(is_reached: Callable[[int], bool], least: int, greatest: int) -> int:
    """Return the greatest number in `[least, greatest]` that is reached; what is not is followed by none that is."""
    if is_reached(greatest):
        return greatest
    while greatest - least > 1:
        middle = (least + greatest) // 2
        least, greatest = (middle, greatest) if is_reached(middle) else (least, middle)
    return least


def _placed(context: RunContext, source: str, versions: dict[str, int]) -> DataFrame:
    """Return one row a record that was prepared or quarantined: partition, offset, append_time_ms."""
    columns = ("partition", "offset", "append_time_ms")
    rows = context.tables.read(tables.prepared(source), versions["prepared"]).select(*columns)
    if "quarantine" not in versions:
        return rows
    return rows.unionByName(context.tables.read(tables.quarantine(source), versions["quarantine"]).select(*columns))


def _reached_by(one: Prepared) -> Column:
    reached = [f"when `partition` = {partition} then {position}L" for partition, position in one.positions.items()]
    return F.expr(f"case {' '.join(reached)} else 0L end" if reached else "0L")


def _positions(rows: DataFrame) -> int:
    """Return how many records these are, a position of the log counted once however often it was written."""
    of_log = F.when(F.col("partition") >= 0, F.col("offset"))
    counted = rows.groupBy("partition").agg(F.count("*").alias("rows"), F.count_distinct(of_log).alias("once"))
    found = counted.select(F.when(F.col("partition") < 0, F.col("rows")).otherwise(F.col("once")).alias("n"))
    total = found.agg(F.sum("n")).first()
    return int(total[0] or 0) if total else 0
