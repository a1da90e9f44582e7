"""The catalogue: what every feature of a project means, whose it is, and who uses it. Pure, from the declarations alone.

1. One card a feature: those of groups under their own name, those worked out from the asking event, or from others of the
   vector, under `<feature set>.<name>`.
2. A unit or description that the feature lacks is its column's where the aggregation keeps what the column means.
3. A range is what the column's bounds, `clip` and `fill` leave possible; an end that nothing bounds is None.
4. What is made of others is about all that they are about, and takes note of something new when they do.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lambda_core.errors import ConfigError
from lambda_core.features.windows import ALL_MS, format_duration, format_window
from lambda_core.nearest import nearest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lambda_core.config.sources import Column
    from lambda_core.config.transform import Transform
    from lambda_core.features.definition import Definition, Feature, FeatureGroup

Range = tuple[float | None, float | None]
ANYTHING: Range = (None, None)
_VALUES = ("mean", "min", "max", "first", "latest", "last_n", "quantiles")
"""Aggregations whose answers lie among the values."""
_SHARES = ("share", "shares")
_NOT_NEGATIVE = ("count", "distinct", "histogram", "variance", "stddev")
_SUMS = ("sum", "decayed_sum")


@dataclass(frozen=True)
class Card:
    """What there is to know of one feature.

    Attributes:
        entity: the columns that name what it is about; none: the asking event itself.
        formula: how it is worked out, in the words of the settings.
        type: of its values: integer, float or string.
        low, high: the ends of its range, included; None where nothing bounds it.
        freshness: when it takes note of something new.
        feature_sets, models: who uses it.
    """

    name: str
    entity: tuple[str, ...]
    source: str
    formula: str
    description: str
    owner: str
    unit: str | None
    type: str
    low: float | None
    high: float | None
    freshness: str
    feature_sets: tuple[str, ...]
    models: tuple[str, ...]


def catalogue(definition: Definition) -> list[Card]:
    """Return a card for every feature of the project, in order of declaration."""
    found = [card for group in definition.groups.values() for card in _of_group(definition, group)]
    windowed = {card.name: card for card in found}
    for name in definition.project.feature_sets:
        own = list(_of_event(definition, name))
        found += own
        found += _of_series(definition, name, windowed | {card.name.removeprefix(f"{name}."): card for card in own})
    return found


def card_of(definition: Definition, name: str) -> Card:
    """Return one feature's card.

    Raises:
        ConfigError: when the project has no such feature; it names the nearest.
    """
    found = {card.name: card for card in catalogue(definition)}
    if name not in found:
        raise ConfigError(
            f"features: expected one of {len(found)} features, as `features ls` lists them; found {name!r}{nearest(name, found)}"
        )
    return found[name]


def _of_group(definition: Definition, group: FeatureGroup) -> Iterator[Card]:
    declared, source = definition.project.feature_groups[group.name], definition.project.sources[group.source]
    sets = tuple(name for name, one in definition.project.feature_sets.items() if group.name in one.groups)
    for feature in group.features:
        column = source.all_columns.get(group.slots[feature.slot].column or "")
        kept = column if feature.answer.name in _VALUES else None
        low, high = range_of(feature.answer.name, column)
        yield Card(
            name=feature.name,
            entity=group.key_columns,
            source=group.source,
            formula=_formula(group, feature),
            description=feature.description or (kept.description if kept else "") or declared.description,
            owner=declared.owner or source.owner or definition.project.owner,
            unit=feature.unit or (kept.unit if kept else None),
            type=feature.answer.gives,
            low=low,
            high=high,
            freshness=f"each event of topic {source.topic}" if source.topic else "each published view",
            feature_sets=sets,
            models=_models(definition, sets),
        )


def _of_event(definition: Definition, feature_set: str) -> Iterator[Card]:
    declared = definition.project.feature_sets[feature_set]
    columns = definition.project.sources[declared.asked_by].all_columns
    for name, feature in declared.request_features.items():
        column = columns.get(feature.expression.strip())
        low, high = column.bounds if column else ANYTHING
        yield Card(
            name=f"{feature_set}.{name}",
            entity=(),
            source=declared.asked_by,
            formula=feature.expression,
            description=feature.description or (column.description if column else ""),
            owner=declared.owner or definition.project.owner,
            unit=feature.unit or (column.unit if column else None),
            type=feature.type,
            low=low,
            high=high,
            freshness="the asking event",
            feature_sets=(feature_set,),
            models=_models(definition, (feature_set,)),
        )


def _of_series(definition: Definition, feature_set: str, known: dict[str, Card]) -> Iterator[Card]:
    """Yield a card for each value that the set makes of others, whose cards are `known` by their names in the vector."""
    declared = definition.project.feature_sets[feature_set]
    steps = definition.series[feature_set].steps if feature_set in definition.series else ()
    for step, said in zip(steps, declared.transform, strict=True):
        given = [known[name] for name in step.of]
        units = {card.unit for card in given}
        ranges = step.strategy.ranges([(card.low, card.high) for card in given])
        for (name, kind), (low, high) in zip(step.kinds.items(), ranges, strict=True):
            known[name] = Card(
                name=f"{feature_set}.{name}",
                entity=tuple(dict.fromkeys(column for card in given for column in card.entity)),
                source=", ".join(dict.fromkeys(card.source for card in given)),
                formula=_of_step(said),
                description=said.description,
                owner=declared.owner or definition.project.owner,
                unit=said.unit or (units.pop() if step.strategy.keeps_unit and len(units) == 1 else None),
                type=kind,
                low=low,
                high=high,
                freshness=", ".join(dict.fromkeys(card.freshness for card in given)),
                feature_sets=(feature_set,),
                models=_models(definition, (feature_set,)),
            )
            yield known[name]


def _of_step(said: Transform) -> str:
    settings = ", ".join(f"{name} {value}" for name, value in said.parameters.items())
    return f"{said.strategy} of {', '.join(said.of)}" + (f", {settings}" if settings else "")


def range_of(aggregation: str, column: Column | None) -> Range:
    """Return the range of an aggregation's answers over a column's values within their bounds.

    Example:
        >>> from lambda_core.config.sources import Column
        >>> minutes = Column(type="integer", min=0, max=90)
        >>> [range_of(name, minutes) for name in ("mean", "sum", "count", "share")]
        [(0.0, 90.0), (0.0, None), (0.0, None), (0.0, 1.0)]
    """
    if aggregation in _SHARES:
        return 0.0, 1.0
    if aggregation in _NOT_NEGATIVE:
        return 0.0, None
    if column is None:
        return ANYTHING
    if aggregation in _SUMS:
        least, _ = column.bounds
        return (0.0 if (least is not None and least >= 0) else None), None
    return column.bounds


def _formula(group: FeatureGroup, feature: Feature) -> str:
    slot = group.slots[feature.slot]
    seen = slot.condition or slot.column or "events"
    where = f" where {slot.where}" if slot.where else ""
    since = "since the first event" if feature.window.length_ms == ALL_MS else f"over the last {_window(feature)}"
    expiry = f", for {format_duration(feature.expiry_ms)}" if feature.expiry_ms is not None else ""
    return f"{feature.answer.name} of {seen}{where} {since}{expiry}"


def _window(feature: Feature) -> str:
    return f"{format_window(feature.window.length_ms)} by {format_duration(feature.window.hop_ms)}"


def _models(definition: Definition, feature_sets: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name, model in definition.project.models.items() if model.feature_set in feature_sets)
