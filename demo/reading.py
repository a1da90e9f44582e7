"""How far an answer would see: the positions applied for one (feature group, entity), as the serving layer reads them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lambda_core.repositories.store import connect
from lambda_core.repositories.view_store import ViewStore
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.slots import is_cluster

if TYPE_CHECKING:
    from demo.freshness import Positions


def positions_reader(redis_url: str, project: str) -> Positions:
    """Return a function that reads one entity's views and tells the last offset applied, a partition."""
    views = ViewStore(connect(redis_url), Keyspace(project, sharded=is_cluster(redis_url)))

    def positions(group: str, entity: str) -> dict[int, int]:
        told: dict[int, int] = {}
        for hash_ in views.read([(group, entity)]).entities[group, entity].speed:
            for partition, offset in hash_.fence.items():
                told[partition] = max(offset, told.get(partition, -1))
        return told

    return positions
