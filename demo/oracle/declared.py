"""The project's YAML, read as plain declarations: what there is to recompute."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

UNITS_MS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
HOUR_MS, DAY_MS = UNITS_MS["h"], UNITS_MS["d"]
RING = 32
"""How many events a period's hash keeps single where a project does not declare it."""


@dataclass(frozen=True)
class Feature:
    """One aggregation over one column (None: over events) in one window; lengths in milliseconds."""

    name: str
    column: str | None
    aggregation: str
    length_ms: int
    hop_ms: int

    def start(self, t_ms: int) -> int:
        """Return the left edge, included, of the window at t."""
        return (t_ms - self.length_ms) // self.hop_ms * self.hop_ms


@dataclass(frozen=True)
class Group:
    """The features of one entity, from the events of one source."""

    name: str
    source: str
    keys: tuple[str, ...]
    features: tuple[Feature, ...]


@dataclass(frozen=True)
class Declared:
    """A project as declared.

    Attributes:
        sources: each source's section as it stands in the YAML.
        groups: the groups of the feature set, in its order; asked_by is the source whose events ask.
        ring: how many of an entity's newest events of a period stay single.
    """

    sources: dict[str, dict[str, Any]]
    groups: tuple[Group, ...]
    period_ms: int
    asked_by: str
    request_features: tuple[str, ...]
    ring: int = RING

    def scale(self, source: str, column: str) -> int:
        """Return the digits after the point of a column's numbers."""
        return int(self.sources[source]["columns"].get(column, {}).get("scale", 0))


def read(folder: Path, feature_set: str) -> Declared:
    """Return what the folder's YAML files declare for a feature set."""
    project: dict[str, Any] = {}
    for path in sorted(folder.glob("*.yaml")):
        project.update(yaml.safe_load(path.read_text(encoding="utf-8")))
    asked = project["feature_sets"][feature_set]
    return Declared(
        sources=project["sources"],
        groups=tuple(_group(project, name) for name in asked["groups"]),
        period_ms=duration_ms(project["view"]["period"]),
        asked_by=asked["asked_by"],
        request_features=tuple(asked["request_features"]),
        ring=int(project["view"].get("ring", RING)),
    )


def duration_ms(text: str) -> int:
    """Return a duration such as `2h` or `1 minute` in milliseconds."""
    number, unit = re.fullmatch(r"\s*(\d+)\s*([a-z]+)\s*", text.lower()).groups()  # type: ignore[union-attr]
    return int(number) * UNITS_MS[unit if unit == "ms" else unit[0]]


def moment_ms(text: str) -> int:
    """Return an ISO 8601 moment in milliseconds since 1970-01-01 UTC."""
    return int(datetime.fromisoformat(text).astimezone(UTC).timestamp() * 1000)


def _group(project: dict[str, Any], name: str) -> Group:
    section = project["feature_groups"][name]
    features = [
        _feature(name, block, aggregation, window)
        for block in section["features"]
        for aggregation in block["aggregations"]
        for window in block["windows"]
    ]
    return Group(name, section["source"], tuple(project["entities"][section["entity"]]["keys"]), tuple(features))


def _feature(group: str, block: dict[str, Any], aggregation: str, window: str) -> Feature:
    column = block.get("column")
    length_ms = duration_ms(window)
    hop_ms = duration_ms(block["hop"]) if "hop" in block else _usual_hop(length_ms)
    what = aggregation if column is None else f"{column}_{aggregation}"
    return Feature(f"{group}__{what}_{_shortest(length_ms)}", column, aggregation, length_ms, hop_ms)


def _usual_hop(length_ms: int) -> int:
    if length_ms < 12 * HOUR_MS:
        return 5 * UNITS_MS["m"]
    return HOUR_MS if length_ms < 12 * DAY_MS else DAY_MS


def _shortest(length_ms: int) -> str:
    unit = next(unit for unit in ("d", "h", "m", "s", "ms") if length_ms % UNITS_MS[unit] == 0)
    return f"{length_ms // UNITS_MS[unit]}{unit}"
