"""A vector at t from the views, with where it came from: the one read that serving and the scoring worker share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from lambda_core.errors import EpochError, GuardError
from lambda_core.schemas.messages import Answer, GroupProvenance
from lambda_core.views.reading import read_group

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lambda_core.features.definition import Definition
    from lambda_core.repositories.view_store import ViewsRead, Wanted


@dataclass(frozen=True)
class Question:
    """What is asked for: a vector at t.

    Attributes:
        feature_set: name of the vector.
        t_ms: event time asked for; events strictly before it count.
        entities: feature group -> canonical entity key; None, or no entry, where the event has no such entity.
        request: request features by name, already worked out; what is not given is None.
    """

    feature_set: str
    t_ms: int
    entities: Mapping[str, str | None] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)


class Views(Protocol):
    """Where both views are read: Redis, or a fake."""

    def read(self, wanted: Sequence[Wanted]) -> ViewsRead:
        """Return both views of every entity, in one step; an error when they cannot be merged exactly."""
        ...

    def read_batch(self, wanted: Sequence[Wanted]) -> ViewsRead:
        """Return the batch side alone, from what the process knows if it knows all."""
        ...


class Answerer:
    """Answers for vectors of one definition. Pure but for the views that it is given."""

    def __init__(self, definition: Definition, views: Views) -> None:
        self.definition = definition
        self._views = views
        self._ids = {name: definition.feature_set_id(name) for name in definition.project.feature_sets}

    def merged(self, question: Question) -> Answer:
        """Return the vector exactly, from both views.

        Raises:
            EpochError: when the views are of another definition, or Redis does not hold all of the epoch.
            GuardError: when t lies before what the view keeps tiles for.
            StoreError: when Redis is away.
        """
        read = self._views.read(self._wanted(question))
        oldest_ms = read.pointer.current.lookback_from_ms
        if question.t_ms < oldest_ms:
            raise GuardError(
                f"t: expected a time from {oldest_ms} on, found {question.t_ms}; the view keeps no older tiles, so this "
                "answer would not be exact: ask for a later t, or declare a longer view.lookback"
            )
        return self._answer("merged", question, read)

    def batch_only(self, question: Question) -> Answer:
        """Return the vector from the batch view alone: of the events before its horizon.

        Raises:
            EpochError: when the view is of another definition.
            StoreError: when Redis is away and this process does not know the values.
        """
        return self._answer("batch_only", question, self._views.read_batch(self._wanted(question)))

    def without_views(self, source: str, question: Question) -> Answer:
        """Return the vector of the request alone, under the given source; every windowed feature is None: unknown.

        What is made of them is what it is of missing values.
        """
        name = question.feature_set
        values = {feature: question.request.get(feature) for feature in self.definition.read_names(name)}
        groups = {
            group: GroupProvenance(question.entities.get(group)) for group in self.definition.feature_set(name).groups
        }
        return Answer(question.t_ms, name, self._ids[name], source, self._whole(name, values), groups=groups)

    def _wanted(self, question: Question) -> list[Wanted]:
        groups = self.definition.feature_set(question.feature_set).groups
        return [(group, key) for group in groups if (key := question.entities.get(group)) is not None]

    def _whole(self, feature_set: str, values: dict[str, Any]) -> dict[str, Any]:
        """Return the vector: the values that were read, then those that are made of them."""
        series = self.definition.series.get(feature_set)
        return values if series is None else values | series.of_vector(values)

    def _answer(self, source: str, question: Question, read: ViewsRead) -> Answer:
        current = read.pointer.current
        if current.definition_id != self.definition.id:
            raise EpochError(
                f"expected views of definition {self.definition.id}, found {current.definition_id}: another definition "
                "was published; start this process again with its settings"
            )
        declared = self.definition.feature_set(question.feature_set)
        values: dict[str, Any] = {name: question.request.get(name) for name in declared.request_features}
        groups: dict[str, GroupProvenance] = {}
        overflowed: list[str] = []
        for name in declared.groups:
            group, key = self.definition.groups[name], question.entities.get(name)
            if key is None:
                reading = read_group(group, None, None, [], question.t_ms)
            else:
                reading = read.entities[name, key].reader(group, key).read(question.t_ms)
            values.update(reading.values)
            overflowed += reading.overflowed
            groups[name] = reading.provenance
        return Answer(
            t_ms=question.t_ms,
            feature_set=question.feature_set,
            feature_set_id=self._ids[question.feature_set],
            source=source,
            values=self._whole(question.feature_set, values),
            generation=current.generation,
            horizon=current.horizon,
            epoch=current.epoch,
            groups=groups,
            overflowed=overflowed,
        )
