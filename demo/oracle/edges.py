"""The right edge: what a view has merged has lost its own time, so at t it counts by the tile.

    merged            of the batch view all events; of the speed view, in each period, all but the newest K by event
                      time, partition and offset, which stay single
    tiles             the merged events of a view in [start, start + hop), start a multiple of the hop
    at t counts       a single event that lies before t; a tile that begins before t, as a whole
    the answer says   `edge` when it counts a tile that ends after t, of a view (the batch view, or one period's) that
                      has merged an event of t or later: the tile may hold it, and the answer cannot tell

So an answer on the edge is the plain formula's events, and with them the merged ones from t to the end of t's tile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
BATCH = -1
"""The batch view, where the speed view has periods."""


@dataclass(frozen=True)
class Edge:
    """What the right edge does to one group's answer.

    Attributes:
        said: whether the answer must say `edge`.
        added: hop in milliseconds -> places of the events of t or later that count in windows of this hop, in order.
    """

    said: bool
    added: Mapping[int, Integers]


def right_edge(t_ms: int, hops_ms: Sequence[int], event_ms: Integers, view: Integers, ring: int) -> Edge:
    """Return what the right edge does at t to an answer that saw these events.

    Args:
        t_ms: event time asked for.
        hops_ms: lengths of tiles.
        event_ms: event times, ascending, ties by partition and offset; all that was seen of the entity from the
            earliest begin of a tile that holds t on.
        view: where each event is: BATCH, or its period.
        ring: K, how many events of a period stay single.
    """
    merged = _merged(view, ring)
    too_new = merged & (event_ms >= t_ms)
    if not too_new.any():
        return Edge(said=False, added={hop_ms: np.empty(0, np.int64) for hop_ms in hops_ms})
    unclear = merged & np.isin(view, view[too_new])
    said, added = False, {}
    for hop_ms in hops_ms:
        begin = t_ms // hop_ms * hop_ms
        tile = (begin <= event_ms) & (event_ms < begin + hop_ms) & (begin < t_ms)
        said = said or bool((tile & unclear).any())
        added[hop_ms] = np.flatnonzero(tile & too_new)
    return Edge(said, added)


def _merged(view: Integers, ring: int) -> Flags:
    """Return for each event, in order of time, whether it is merged."""
    order = np.argsort(view, kind="stable")  # one view after the other, each still in order of time
    ends = np.searchsorted(view, view[order], side="right", sorter=order)
    from_newest = np.empty(len(view), np.int64)
    from_newest[order] = ends - np.arange(len(view))  # 1 is the newest of its view
    merged: Flags = (from_newest > ring) | (view == BATCH)
    return merged
