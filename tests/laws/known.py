"""Views whose values are given, for what is asked of an answer beyond how both views are merged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lambda_core.features.definition import Definition, FeatureGroup
from lambda_core.repositories.view_store import ViewsRead
from lambda_core.schemas.messages import GroupProvenance
from lambda_core.views.pointer import Pointer, Published
from lambda_core.views.reading import GroupReading


@dataclass(frozen=True)
class KnownViews:
    """Both views of one moment, in which each feature has this value; what is not given is none."""

    definition: Definition
    values: Mapping[str, Any]

    def read(self, wanted) -> ViewsRead:
        published = Published("g", 1, f"{self.definition.id}.0", {}, 0)
        return ViewsRead(Pointer(published, None), dict.fromkeys(wanted, self))

    read_batch = read

    def reader(self, group: FeatureGroup, entity: str) -> Reader:
        return Reader({feature.name: self.values.get(feature.name) for feature in group.features}, entity)


@dataclass(frozen=True)
class Reader:
    """Answers at any t."""

    values: dict[str, Any]
    entity: str

    def read(self, t_ms: int) -> GroupReading:
        return GroupReading(self.values, GroupProvenance(self.entity), [])
