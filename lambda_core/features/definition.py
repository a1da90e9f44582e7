"""A project's feature declarations, compiled: groups (see `groups`), vectors, and the id of it all.

A *feature set* is the vector of a model: the values that are read, which are request features and the features of its
groups, then those that are made of them. States know nothing of the latter, so they are no part of the definition's id, and
another series of them needs no new epoch; they are part of the vector's own id, by which models are refused.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lambda_core.config.origins import COMMA
from lambda_core.config.project import FeatureSet, Project, Source
from lambda_core.config.sources import ORIGINS
from lambda_core.errors import ConfigError
from lambda_core.features.blocks import Blocks, named
from lambda_core.features.groups import Feature, FeatureGroup, Slot
from lambda_core.features.keys import KEY_ENCODING
from lambda_core.features.windows import Window
from lambda_core.schemas.tables import TRAINING_COLUMNS

if TYPE_CHECKING:
    from lambda_core.features.transformations.series import Series

__all__ = ["Definition", "Feature", "FeatureGroup", "Slot", "compile_definition", "digest", "meaning"]

STATE_FORMAT = 1
"""Version of the states' encoding in tables, topics and Redis; part of every definition id."""
_TYPES = {"integer": "integer", "decimal": "float", "float": "float", "string": "a string"}
"""What a value of the vector is to a transformation."""


@dataclass(frozen=True)
class Definition:
    """Everything that decides what an event becomes, under one id.

    Attributes:
        id: 16 hexadecimal digits; states written under one id are never read under another.
        groups: every feature group by its name.
        series: what makes further values, by feature set; none for a set that declares no `transform`.
    """

    id: str
    project: Project
    groups: dict[str, FeatureGroup]
    series: dict[str, Series] = field(default_factory=dict)

    def groups_of(self, source: str) -> list[FeatureGroup]:
        """Return the groups that the source's events update."""
        return [group for group in self.groups.values() if group.source == source]

    def feature_set(self, name: str) -> FeatureSet:
        """Return the declared feature set."""
        return self.project.feature_sets[name]

    def read_names(self, name: str) -> list[str]:
        """Return the names of the values that are read: request features, then the features of the set's groups."""
        declared = self.feature_set(name)
        windowed = [feature.name for group in declared.groups for feature in self.groups[group].features]
        return [*declared.request_features, *windowed]

    def vector_names(self, name: str) -> list[str]:
        """Return the names of the vector's values: those that are read, then those that are made of them."""
        return [*self.read_names(name), *(self.series[name].kinds if name in self.series else ())]

    def feature_set_id(self, name: str) -> str:
        """Return the id of a vector: a hash of the definition and of what the set declares, 16 hexadecimal digits.

        Of a step by a user's own class, its file is part of what is hashed: with other code it is another vector.
        """
        declared = self.feature_set(name).model_dump(mode="json", exclude={"description", "owner", "transform"})
        steps = [
            step.model_dump(mode="json", exclude={"description", "unit"}) for step in self.feature_set(name).transform
        ]
        own = [step.code for step in self.series[name].steps if step.code] if steps else []
        hashed = declared | ({"transform": steps} if steps else {}) | ({"code": own} if own else {})
        return digest([self.id, name, hashed, self.vector_names(name)])


def compile_definition(project: Project, references: dict[str, str] | None = None) -> Definition:
    """Compile a project's declarations.

    Args:
        project: the validated project.
        references: content hash of each reference source that lookups join; part of the id.

    Raises:
        ConfigError: when a group names a source, entity or column that the project does not declare, or a step of a
            transformation is wrong: then with one line a mistake.
    """
    groups = {name: _compile_group(project, name) for name in project.feature_groups}
    _each_name_once(groups)
    declared = {
        "sources": {name: meaning(source) for name, source in project.sources.items() if source.kind == "event"},
        "entities": {name: entity.keys for name, entity in project.entities.items()},
        "groups": {name: _declared_group(group) for name, group in groups.items()},
        "period_ms": project.view.period_ms,
        "ring": project.view.ring,
        "encodings": [KEY_ENCODING, STATE_FORMAT],
        "references": references or {},
    }
    return Definition(id=digest(declared), project=project, groups=groups, series=_compile_series(project, groups))


def _declared_group(group: FeatureGroup) -> list[Any]:
    """Return what of a group decides its states and answers; what it has no use for leaves its id as it is."""
    expires = {feature.name: feature.expiry_ms for feature in group.features if feature.expiry_ms is not None}
    beyond = [slot.meaning for slot in group.slots if slot.meaning]
    return [
        group.source,
        group.entity,
        [f"{f.name}/{f.window.length_ms}/{f.window.hop_ms}" for f in group.features],
        *([{"slots": beyond, "expiry": expires}] if beyond or expires else []),
    ]


def digest(declared: Any) -> str:
    """Return 16 hexadecimal digits that name a declaration, whatever the order of its keys."""
    text = json.dumps(declared, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def meaning(source: Source) -> dict[str, Any]:
    """Return what of a source decides how its records are read: not its descriptions, places or expectations."""
    left_out = {"description", "owner", *ORIGINS, "ranges", "expectations", "condition", "known_by"}
    declared = source.model_dump(mode="json", exclude=left_out)
    for columns in ("columns", "derive"):
        for column in declared[columns].values():
            del column["description"], column["unit"]
            for repair in ("map", "convert", "clip", "fill"):  # what is not declared leaves the id as it is
                if column[repair] in (None, {}):
                    del column[repair]
    if source.separator != COMMA:
        declared["separator"] = source.separator
    return declared


def _compile_group(project: Project, name: str) -> FeatureGroup:
    section = project.feature_groups[name]
    source = named(project.sources, section.source, f"feature_groups.{name}.source")
    entity = named(project.entities, section.entity, f"feature_groups.{name}.entity")
    for column in entity.keys:
        path = f"feature_groups.{name}.entity ({section.entity}) in source {section.source}"
        kind = named(source.all_columns, column, path).type
        if kind not in ("string", "integer"):
            raise ConfigError(f"{path}: expected a key of type string or integer, found {column!r} of type {kind}")
    blocks = Blocks(name, section, source)
    return FeatureGroup(name, section.source, section.entity, entity.keys, tuple(blocks.slots), tuple(blocks.features))


def _compile_series(project: Project, groups: dict[str, FeatureGroup]) -> dict[str, Series]:
    transforming = [name for name, declared in project.feature_sets.items() if declared.transform]
    if not transforming:
        return {}
    from lambda_core.features.transformations.compiling import compile_series  # loads numpy, which few others need

    made, mistakes = {}, []
    for name in transforming:
        declared = project.feature_sets[name]
        values = {request: _TYPES[feature.type] for request, feature in declared.request_features.items()}
        for group in declared.groups:
            values |= {
                feature.name: "a list" if feature.answer.gives_list else _TYPES[feature.answer.gives]
                for feature in groups[group].features
            }
        parting = [model.partition_by for model in project.models.values() if model.feature_set == name]
        taken = dict.fromkeys(TRAINING_COLUMNS, "which is a column of training rows")
        taken |= dict.fromkeys(parting, "by which models are parted")
        try:
            made[name] = compile_series(f"feature_sets.{name}.transform", declared.transform, values, taken)
        except ConfigError as error:
            mistakes.append(str(error))
    if mistakes:
        raise ConfigError("\n".join(mistakes))
    return made


def _each_name_once(groups: dict[str, FeatureGroup]) -> None:
    windows: dict[str, Window] = {}
    for group in groups.values():
        for feature in group.features:
            if feature.name in windows:
                raise ConfigError(
                    f"feature_groups.{group.name}: expected each feature once, found {feature.name!r} twice (windows "
                    f"{windows[feature.name]} and {feature.window}); leave one out, or give its block a `name`"
                )
            windows[feature.name] = feature.window
