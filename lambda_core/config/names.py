"""Names that stand for what the project does not declare, or not so: the check across sections, after each model's own."""

from collections.abc import Collection, Iterator
from itertools import chain

from lambda_core.config.project import Project
from lambda_core.nearest import nearest

_INSTEAD = "ask for them by a feature set without a model, or take `shares` or `quantiles` of a histogram"
_ONCE = "the speed layer reads all topics in one query, and Real-Time Mode none of them twice"

Use = tuple[str, str, Collection[str]]
"""Key path, the name that stands there, and the names that may."""


def dangling_names(project: Project) -> Iterator[tuple[str, str]]:
    """Yield (key path, sentence) for every name that stands for what the project does not declare, or declares otherwise."""
    for path, name, declared in chain(*(uses(project) for uses in _USES)):
        if name not in declared:
            expected = ", ".join(sorted(declared)) or "nothing declared"
            yield path, f"expected one of {expected}; found {name!r}{nearest(name, declared)}"
    for path, name, kind, why in _kinds(project):
        if name in project.sources and project.sources[name].kind != kind:
            found = f"{name!r} of `kind: {project.sources[name].kind}`"
            yield path, f"expected a source of `kind: {kind}`, {why}; found {found}"
    for look in (_topics_of_two, _labels_of_two, _lists_in_vectors):
        yield from look(project)


def _in_sources(project: Project) -> Iterator[Use]:
    for name, source in project.sources.items():
        columns = source.all_columns
        for place, column in enumerate(source.unique_key):
            yield f"sources.{name}.unique_key[{place}]", column, columns
        for place, column in enumerate(source.condition.ignore):
            yield f"sources.{name}.condition.ignore[{place}]", column, columns
        if source.event_time is not None:
            yield f"sources.{name}.event_time", source.event_time, columns
        for alias, lookup in source.lookups.items():
            path = f"sources.{name}.lookups.{alias}"
            yield f"{path}.source", lookup.source, project.sources
            yield f"{path}.key", lookup.key, source.columns
            if lookup.source in project.sources:
                for taken, column in lookup.take.items():
                    yield f"{path}.take.{taken}", column, project.sources[lookup.source].all_columns


def _in_features(project: Project) -> Iterator[Use]:
    for name, group in project.feature_groups.items():
        yield f"feature_groups.{name}.source", group.source, project.sources
        yield f"feature_groups.{name}.entity", group.entity, project.entities
        if group.source in project.sources:
            columns = project.sources[group.source].all_columns
            for place, block in enumerate(group.features):
                path = f"feature_groups.{name}.features[{place}]"
                if block.column is not None:
                    yield f"{path}.column", block.column, columns
                for setting, text in block.expressions.items():
                    for column in _columns_in(text):
                        yield f"{path}.{setting}", column, columns
            keys = project.entities[group.entity].keys if group.entity in project.entities else ()
            for key in keys:
                yield f"feature_groups.{name}.entity ({group.entity}) in source {group.source}", key, columns


def _in_feature_sets(project: Project) -> Iterator[Use]:
    for name, feature_set in project.feature_sets.items():
        yield f"feature_sets.{name}.asked_by", feature_set.asked_by, project.sources
        asking = project.sources.get(feature_set.asked_by)
        for place, group_name in enumerate(feature_set.groups):
            path = f"feature_sets.{name}.groups[{place}]"
            yield path, group_name, project.feature_groups
            group = project.feature_groups.get(group_name)
            if group is not None and asking is not None and group.entity in project.entities:
                for key in project.entities[group.entity].keys:
                    yield f"{path} ({group.entity}) in source {feature_set.asked_by}", key, asking.all_columns


def _in_models(project: Project) -> Iterator[Use]:
    for name, label in project.labels.items():
        yield f"labels.{name}.source", label.source, project.sources
        if label.source in project.sources:
            for place, column in enumerate(label.join):
                yield f"labels.{name}.join[{place}]", column, project.sources[label.source].all_columns
    for name, model in project.models.items():
        yield f"models.{name}.feature_set", model.feature_set, project.feature_sets
        yield f"models.{name}.label", model.label, project.labels
        asking = project.feature_sets.get(model.feature_set)
        if asking is not None and asking.asked_by in project.sources:
            columns = project.sources[asking.asked_by].all_columns
            yield f"models.{name}.partition_by", model.partition_by, columns
            for column in project.labels[model.label].join if model.label in project.labels else ():
                yield f"labels.{model.label}.join in source {asking.asked_by}, which asks", column, columns
        asked_about = _entities_of(project, model.feature_set)
        for place, entity in enumerate(model.split.entities or ()):
            yield f"models.{name}.split.entities[{place}]", entity, asked_about
    for route, model_name in project.serving.routes.items():
        yield f"serving.routes.{route}", model_name, project.models


def _entities_of(project: Project, feature_set: str) -> list[str]:
    """Return the entities that a feature set's groups are about."""
    asked = project.feature_sets.get(feature_set)
    groups = [project.feature_groups.get(group) for group in (asked.groups if asked else ())]
    return list(dict.fromkeys(group.entity for group in groups if group is not None))


def _in_schedules(project: Project) -> Iterator[Use]:
    for name, schedule in project.schedules.items():
        for place, source in enumerate(schedule.sources):
            yield f"schedules.{name}.sources[{place}]", source, project.sources


_USES = (_in_sources, _in_features, _in_feature_sets, _in_models, _in_schedules)


def _columns_in(expression: str) -> list[str]:
    """Return the columns that a Spark SQL expression names; none where it cannot be read, which Spark will say better."""
    import sqlglot  # only who declares such an expression waits for it

    try:
        found = sqlglot.parse_one(expression, read="spark").find_all(sqlglot.exp.Column)
    except sqlglot.errors.SqlglotError:
        return []
    return list(dict.fromkeys(column.parts[0].name.lower() for column in found))


def _kinds(project: Project) -> Iterator[tuple[str, str, str, str]]:
    """Yield what stands for a source of one kind: key path, the source, its kind, and why it has to be."""
    timed = "whose records have event times"
    for name, source in project.sources.items():
        for alias, lookup in source.lookups.items():
            yield f"sources.{name}.lookups.{alias}.source", lookup.source, "reference", "which has each key once"
    for name, group in project.feature_groups.items():
        yield f"feature_groups.{name}.source", group.source, "event", timed
    for name, feature_set in project.feature_sets.items():
        yield f"feature_sets.{name}.asked_by", feature_set.asked_by, "event", timed
    for name, label in project.labels.items():
        yield f"labels.{name}.source", label.source, "event", timed


def _topics_of_two(project: Project) -> Iterator[tuple[str, str]]:
    """Yield what is said of a topic that two sources of events would read."""
    first: dict[str, str] = {}
    for name, source in project.sources.items():
        if source.kind == "event" and source.topic is not None and first.setdefault(source.topic, name) != name:
            what = f"{source.topic!r}, which is that of sources.{first[source.topic]} too"
            yield f"sources.{name}.topic", f"expected a topic that no other source of events has, found {what}; {_ONCE}"


def _labels_of_two(project: Project) -> Iterator[tuple[str, str]]:
    """Yield what is said of a feature set whose models have different labels: its training rows hold one."""
    first: dict[str, str] = {}
    for name, model in project.models.items():
        label = first.setdefault(model.feature_set, model.label)
        if label != model.label:
            what = f"{model.label!r} and {label!r}; declare one feature set a label"
            yield f"models.{name}.label", f"expected one label for all models of {model.feature_set}, found {what}"


def _lists_in_vectors(project: Project) -> Iterator[tuple[str, str]]:
    """Yield what is said of a model whose vector would hold a list."""
    for name, model in project.models.items():
        asked = project.feature_sets.get(model.feature_set)
        for group in asked.groups if asked else ():
            blocks = project.feature_groups[group].features if group in project.feature_groups else ()
            for place, block in enumerate(blocks):
                if block.gives_lists:
                    what = f"the lists of {', '.join(block.gives_lists)} in feature_groups.{group}.features[{place}]"
                    yield (
                        f"models.{name}.feature_set",
                        f"expected numbers in a model's vector, found {what}; {_INSTEAD}",
                    )
