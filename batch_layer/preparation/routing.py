"""To which call of the kernel a row goes, so that events meet those who ask about them.

1. Event time is cut into chunks of at least twice the longest window. An asker belongs to the chunk of its t; an event
   to every chunk in which a window may see it: two at most.
2. Events and askers meet by (chunk, bucket of entities). So the memory of a call depends on what two chunks hold, not on
   how long the history is, and one entity with most of the rows is still spread over its chunks. A window of all of
   history makes one chunk of it all: then it is the buckets alone that bound the memory.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from batch_layer.preparation.ordering import brought_together
from lambda_core.features.windows import DAY_MS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pyspark.sql import SparkSession

    from batch_layer.preparation.packets import Place
    from lambda_core.features.definition import FeatureGroup

_SHORTEST_CHUNK_MS = 30 * DAY_MS
_PART_ROWS = 1 << 16
"""So many events, or askers, stay in a core's cache with all that is worked out of them."""


def key_texts(group: FeatureGroup) -> dict[str, str]:
    """Return the columns in which askers and events meet: name -> the key column whose text it is.

    Texts are equal where canonical keys are, and cost nothing to make.
    """
    return {f"_{group.entity}_{place}": column for place, column in enumerate(group.key_columns)}


def key_columns(group: FeatureGroup) -> dict[str, str]:
    """Return what askers and events must have to meet: name -> Spark SQL over the source's columns.

    The texts of the key, and a number that is drawn by them and says which bucket; all rows without an entity would be
    in one by the hash of nothing.
    """
    texts = {name: f"cast(`{column}` as string)" for name, column in key_texts(group).items()}
    drawn = f"if({has_entity_sql(group)}, xxhash64({', '.join(texts.values())}), xxhash64(`offset`))"
    return {**texts, _drawn(group): drawn}


def has_entity_sql(group: FeatureGroup) -> str:
    """Return the Spark SQL over a source's columns of whether a row has the group's entity."""
    return " and ".join(f"`{column}` is not null" for column in group.key_columns)


def reach_ms(group: FeatureGroup) -> int:
    """Return how long before t an event may lie and still be in some window, in milliseconds."""
    return max(feature.window.length_ms + feature.window.hop_ms for feature in group.features)


def buckets_of(spark: SparkSession) -> int:
    """Return into how many buckets entities are drawn: enough that no task waits long for the one with the most."""
    return 2 * int(spark.conf.get("spark.sql.shuffle.partitions", "4") or 4)


def _drawn(group: FeatureGroup) -> str:
    return f"_{group.entity}_drawn"


def _chunk_ms(group: FeatureGroup) -> int:
    return max(2 * reach_ms(group), _SHORTEST_CHUNK_MS)


def place_of_askers(group: FeatureGroup, buckets: int) -> Place:
    """Return what sends an asker to the call of the chunk of its t and of its bucket."""
    chunk_ms, drawn = _chunk_ms(group), _drawn(group)

    def place(askers: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        numbers = integers(askers, "t_ms") // chunk_ms * buckets + integers(askers, drawn) % buckets
        return np.arange(len(askers)), numbers

    return place


def place_of_events(group: FeatureGroup, buckets: int) -> Place:
    """Return what sends an event to the calls of its bucket in all chunks in which a window may see it: two at most."""
    chunk_ms, reach, drawn = _chunk_ms(group), reach_ms(group), _drawn(group)

    def place(events: pa.Table) -> tuple[np.ndarray, np.ndarray]:
        times, bucket = integers(events, "event_time_ms"), integers(events, drawn) % buckets
        first, last = times // chunk_ms, (times + reach) // chunk_ms
        again = np.flatnonzero(last > first)
        rows = np.r_[np.arange(len(events)), again]
        return rows, np.r_[first, last[again]] * buckets + bucket[rows]

    return place


def parts_of(
    group: FeatureGroup, buckets: int, events: pa.Table, askers: pa.Table
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Yield the events and the askers of a call in parts of whole entities, so small that they lie in a core's cache."""
    parts = max(len(events), len(askers)) // _PART_ROWS + 1
    if parts == 1:
        yield events, askers
        return
    sides = [_by_part(side, integers(side, _drawn(group)) // buckets % parts, parts) for side in (events, askers)]
    yield from zip(*sides, strict=True)


def _by_part(rows: pa.Table, part: np.ndarray, parts: int) -> Iterator[pa.Table]:
    order, begins = brought_together(part, parts)
    ordered = rows.take(pa.array(order))
    return (ordered.slice(begin, end - begin) for begin, end in pairwise(begins))


def integers(rows: pa.Table, name: str) -> np.ndarray:
    """Return a column of integers without nulls."""
    numbers: np.ndarray = rows.column(name).to_numpy().astype(np.int64)
    return numbers
