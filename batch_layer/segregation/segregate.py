"""Gives every training row its split, refuses what would leak, tells what is uneven, and records the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.recorded_split import note, row_hash
from batch_layer.segregation.evenness import unevenness
from batch_layer.segregation.leaks import crossings, open_labels
from batch_layer.segregation.strategy import TEST, TRAIN, Strategy
from batch_layer.segregation.summary import summarise
from lambda_core.errors import ConfigError, GuardError
from lambda_core.schemas import tables
from lambda_core.schemas.ids import content_id
from lambda_core.strategies import build, code_of

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

    from batch_layer.segregation.evenness import SplitCount
    from batch_layer.segregation.leaks import Span
    from batch_layer.segregation.summary import Summary
    from lambda_core.config.project import Model, Project
    from lambda_core.context import RunContext


@dataclass(frozen=True)
class SegregationReport:
    """The recorded split.

    Attributes:
        split_id: names the rows, the rule with its parameters, and the file of a class of one's own.
        training_version: of the table that the rows are from.
        version: of the split's table. counts: one a split and partition.
        hashes: split -> hash over its rows, whatever their order (see `batch_layer.recorded_split`).
        unlabelled: rows without an outcome; they have no split unless `split.unlabelled` says so.
        warnings: what is uneven, with figures; empty when nothing is.
    """

    model: str
    split_id: str
    training_version: int
    version: int
    counts: tuple[SplitCount, ...]
    hashes: dict[str, str]
    unlabelled: int
    warnings: tuple[str, ...]


def segregate(context: RunContext, model: str) -> SegregationReport:
    """Record the split of a model's training rows.

    Raises:
        ConfigError: when the strategy or its parameters make no sense.
        GuardError: when a label's window or an entity's future crosses from the training into the test, or a side is
            empty; nothing is recorded then.
    """
    declared = context.project.models[model]
    delay_ms = context.project.labels[declared.label].delay_ms
    strategy = made_strategy(context.project, model)
    name = tables.training(declared.feature_set)
    training_version = context.tables.version(name)
    rows = _rows(context, model, training_version)
    wanted = rows if declared.split.unlabelled else rows.where("label is not null")
    kept = ("prediction_key", "split", "row_hash", "t_ms", "label", "label_known_ms", "entities")
    assigned = strategy.assign(wanted).where("split is not null").select(*kept, F.col(declared.partition_by)).persist()
    try:
        summary = summarise(assigned, declared.partition_by)
        _refuse_empty(summary, model)
        _refuse_repeated(assigned, strategy, model)
        warnings = (*_leaks(assigned, summary.span, strategy, declared, delay_ms), *unevenness(summary.counts))
        split_id = content_id(
            context.definition.id,
            declared.split.model_dump_json(),
            delay_ms,
            name,
            training_version,
            *_own_code(strategy, model),
        )
        version = context.tables.replace(
            tables.split(model),
            assigned.select("prediction_key", "split", "row_hash", F.lit(split_id).alias("split_id")),
            note=note(split_id, training_version, summary.parts, warnings),
        )
    finally:
        assigned.unpersist()
    unlabelled = rows.where("label is null").count()
    hashes = {split: str(part["hash"]) for split, part in summary.parts.items()}
    context.log.info("split recorded", model=model, split_id=split_id, unlabelled=unlabelled, hashes=hashes)
    for sentence in warnings:
        context.log.warning("split is uneven", model=model, split_id=split_id, found=sentence)
    return SegregationReport(
        model, split_id, training_version, version, summary.counts, hashes, unlabelled, tuple(warnings)
    )


def made_strategy(project: Project, model: str) -> Strategy:
    """Return the model's strategy, made with its parameters.

    Raises:
        ConfigError: when there is none of that name, or its parameters make no sense.
    """
    from batch_layer.segregation import STRATEGIES  # the menu imports this module

    declared = project.models[model]
    delay_ms = project.labels[declared.label].delay_ms
    place = f"models.{model}.split"
    known = _entities(project, declared.feature_set)
    made: Strategy = build(STRATEGIES, declared.split, place, "assign", delay_ms=delay_ms)
    unknown = set(_apart(made) or ()) - set(known.values())
    if unknown:
        raise ConfigError(
            f"{place}.parameters: expected an entity that a group of {declared.feature_set} is about "
            f"({', '.join(sorted(set(known.values()))) or 'none'}); found {', '.join(map(repr, sorted(unknown)))}"
        )
    return made


def _entities(project: Project, feature_set: str) -> dict[str, str]:
    """Return the entity that each group of the feature set is about, by group."""
    return {group: project.feature_groups[group].entity for group in project.feature_sets[feature_set].groups}


def _rows(context: RunContext, model: str, version: int) -> DataFrame:
    """Return the training rows as strategies see them: with entities by their names, and each with its hash."""
    feature_set = context.project.models[model].feature_set
    rows = context.tables.read(tables.training(feature_set), version)
    by_entity = {entity: group for group, entity in _entities(context.project, feature_set).items()}
    keys = [part for entity, group in by_entity.items() for part in (F.lit(entity), F.col("entities")[group])]
    named = F.create_map(*keys) if keys else F.expr("cast(map() as map<string,string>)")
    return rows.withColumn("row_hash", row_hash(rows)).withColumn("entities", named)


def _refuse_empty(summary: Summary, model: str) -> None:
    missing = {TRAIN, TEST} - summary.parts.keys()
    if missing:
        raise GuardError(
            f"model {model}: expected rows to train and to test on, found none for {' and '.join(sorted(missing))}; "
            "correct models.*.split.parameters"
        )


def _own_code(strategy: Strategy, model: str) -> tuple[str, ...]:
    """Return the id of the file of a class of one's own; nothing for ours, whose rules are the product's."""
    return () if _is_ours(strategy) else (code_of(strategy, f"models.{model}.split"),)


def _is_ours(strategy: Strategy) -> bool:
    from batch_layer.segregation import STRATEGIES  # the menu imports this module

    return type(strategy) in STRATEGIES.values()


def _refuse_repeated(assigned: DataFrame, strategy: Strategy, model: str) -> None:
    """Refuse a row with more than one split, which a class of one's own may make by a join; ours are tested for it."""
    if _is_ours(strategy):
        return
    repeated = assigned.groupBy("prediction_key").count().where("count > 1").first()
    if repeated is not None:
        raise GuardError(
            f"model {model}: expected each row once from {type(strategy).__name__}, found {repeated['prediction_key']} "
            f"{repeated['count']} times; a strategy adds the column `split` to its rows, and nothing else"
        )


def _leaks(assigned: DataFrame, span: Span, strategy: Strategy, model: Model, delay_ms: int) -> tuple[str, ...]:
    """Refuse what leaks; return what is told of the entities that were not to be looked at.

    Where all of the training lies before all of the test no entity can cross, so that nothing more is looked at.

    Raises:
        GuardError: with the figures.
    """
    if span.is_apart(delay_ms):
        return ()
    if getattr(strategy, "ordered", False) and span.first_test_ms is not None:
        rows, last_ms = open_labels(assigned, span.first_test_ms, delay_ms)
        raise GuardError(
            f"label {model.label}: expected every training label to be known before the test begins "
            f"({span.first_test_ms}), found {rows} that were not, the last at {last_ms}; "
            "declare a longer labels.*.delay or an earlier train end"
        )
    found = [crossing for crossing in crossings(assigned, delay_ms) if crossing.leaks]
    watched = _apart(strategy) if model.split.entities is None else model.split.entities
    refused = [crossing for crossing in found if watched is None or crossing.entity in watched]
    if refused:
        raise GuardError(
            f"split {model.split.strategy}: expected no training row within the label's window of a test row of the same "
            f"entity, found {'; '.join(crossing.sentence(delay_ms) for crossing in refused)}; split by_time, in_sequence "
            "or by_entity, or name in models.*.split.entities those that alone must not be on both sides"
        )
    return tuple(crossing.sentence(delay_ms) for crossing in found)


def _apart(strategy: Strategy) -> tuple[str, ...] | None:
    return getattr(strategy, "apart", None)
