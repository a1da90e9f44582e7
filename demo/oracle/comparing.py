"""Every score's vector, as it was when scored, beside the vector that the raw records give.

Each of the answer's values must be equal, bit for bit as numbers; so must t and the entities that were asked for. A
group that says `edge` took a tile whole: it is compared by that rule (`edges`), the others by the plain formula, and
each must say `edge` exactly when the rule does. Vectors with such a group are counted apart. Answers of the ladder's
lower rungs that read no view promise nothing and are only counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from demo.oracle import delta
from demo.oracle.asking import asking_events, entity_of, own_values, read_planes
from demo.oracle.declared import Declared
from demo.oracle.edges import Edge
from demo.oracle.records import read_source
from demo.oracle.timelines import Reach, Timeline, Value

EXAMPLES = 5
FROM_VIEWS = ("merged", "batch_only")


@dataclass(frozen=True)
class Difference:
    """One value that is not what the raw records say."""

    prediction_id: str
    what: str
    expected: Any
    found: Any


@dataclass
class Comparison:
    """What the comparison of all scores found.

    Attributes:
        scored: distinct prediction ids; repeats: further score records of an id (equal or not, they are compared).
        vectors_compared, values_compared, differences: all of them; differences are values.
        edge, edge_values, edge_differences: the part of these where a group says `edge`, which is held to the rule of
            the right edge; edge_equal: those of them that equal the plain formula all the same.
        edge_against_rule: groups that say `edge` where the rule does not, or the other way round.
        from_both_views: vectors compared that hold at least one event from each view.
        not_compared: answers that read no view, by their source; unknown: scores whose asking event is not in raw.
        unanswered: accepted asking messages without a score.
    """

    scored: int = 0
    repeats: int = 0
    vectors_compared: int = 0
    values_compared: int = 0
    differences: int = 0
    differing_vectors: int = 0
    examples: list[Difference] = field(default_factory=list)
    edge: int = 0
    edge_values: int = 0
    edge_differences: int = 0
    edge_equal: int = 0
    edge_against_rule: int = 0
    from_both_views: int = 0
    not_compared: Counter[str] = field(default_factory=Counter)
    unknown: int = 0
    unanswered: int = 0


@dataclass(frozen=True)
class Expected:
    """The vector of the plain formula, the sides it came from, and the groups with events that were not yet applied."""

    values: dict[str, Value]
    from_batch: int
    from_speed: int
    unseen_groups: frozenset[str]


class Oracle:
    """The raw records, understood once; vectors are worked out from them on demand."""

    def __init__(self, declared: Declared, records: Mapping[str, pl.DataFrame], data: Path) -> None:
        self.declared = declared
        self.records = dict(records)
        self.timelines = {group.name: Timeline(declared, group, records[group.source]) for group in declared.groups}
        self.asking = asking_events(records[declared.asked_by])
        self._planes = read_planes(data)

    @classmethod
    def over(cls, declared: Declared, tables: Path, data: Path) -> Oracle:
        """Return the oracle over all event sources' raw tables."""
        events = [name for name, section in declared.sources.items() if section.get("kind", "event") == "event"]
        return cls(declared, {name: read_source(declared, name, tables, data) for name in events}, data)

    def event(self, prediction_id: str) -> dict[str, Any] | None:
        """Return the asking event of a prediction; None where raw has none."""
        topic, partition, offset = prediction_id.rsplit("/", 2)
        asked = self.declared.sources[self.declared.asked_by].get("topic")
        return self.asking.get((int(partition), int(offset))) if topic == asked else None

    def edges(self, event: dict[str, Any], reaches: Mapping[str, Reach]) -> dict[str, Edge]:
        """Return what the right edge does to each group of the vector at the event's time."""
        return {
            name: timeline.edge(entity_of(self.declared, name, event), event["event_ms"], reaches[name])
            for name, timeline in self.timelines.items()
        }

    def on_edges(
        self, event: dict[str, Any], reaches: Mapping[str, Reach], edges: Mapping[str, Edge]
    ) -> dict[str, Value]:
        """Return the values of the groups that are on an edge, at the event's time."""
        values: dict[str, Value] = {}
        for name, edge in edges.items():
            entity = entity_of(self.declared, name, event)
            values.update(self.timelines[name].read(entity, event["event_ms"], reaches[name], edge).values)
        return values

    def expected(self, event: dict[str, Any], reaches: Mapping[str, Reach] | None) -> Expected:
        """Return the vector at the event's time: over what each group's reach saw, or over everything."""
        own = own_values(event, self._planes)
        values: dict[str, Value] = {name: own[name] for name in self.declared.request_features}
        batch = speed = 0
        unseen = set()
        for name, timeline in self.timelines.items():
            reach = None if reaches is None else reaches[name]
            reading = timeline.read(entity_of(self.declared, name, event), event["event_ms"], reach)
            values.update(reading.values)
            batch, speed = batch + reading.from_batch, speed + reading.from_speed
            if reading.unseen:
                unseen.add(name)
        return Expected(values, batch, speed, frozenset(unseen))


def compare(oracle: Oracle, scores: Iterable[bytes | dict[str, Any]]) -> Comparison:
    """Return what is different in the scores (JSON of one score each, or the same as dictionaries)."""
    found = Comparison()
    answered: set[str] = set()
    for entry in scores:
        score = entry if isinstance(entry, dict) else orjson.loads(entry)
        found.repeats += score["prediction_id"] in answered
        answered.add(score["prediction_id"])
        _compare_one(oracle, score, found)
    found.scored = len(answered)
    topic = oracle.declared.sources[oracle.declared.asked_by]["topic"]
    found.unanswered = sum(f"{topic}/{place[0]}/{place[1]}" not in answered for place in oracle.asking)
    return found


def reaches_of(answer: dict[str, Any]) -> dict[str, Reach]:
    """Return how far each group of an answer saw."""
    horizon = answer["horizon"]
    return {
        name: Reach(horizon, {int(partition): offset for partition, offset in (group.get("positions") or {}).items()})
        for name, group in answer["groups"].items()
    }


def differing(expected: Mapping[str, Any], found: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Return (expected, found) of every value that is not equal, or that only one side has."""
    absent = object()
    pairs = {name: (expected.get(name, absent), found.get(name, absent)) for name in {*expected, *found}}
    return {
        name: tuple("(absent)" if side is absent else side for side in pair)  # type: ignore[misc]
        for name, pair in sorted(pairs.items())
        if pair[0] != pair[1]
    }


def _compare_one(oracle: Oracle, score: dict[str, Any], found: Comparison) -> None:
    answer, event = score["answer"], oracle.event(score["prediction_id"])
    if event is None:
        found.unknown += 1
        return
    if answer["source"] not in FROM_VIEWS:
        found.not_compared[answer["source"]] += 1
        return
    missing = [group.name for group in oracle.declared.groups if group.name not in answer["groups"]]
    if missing:
        _note(found, score["prediction_id"], {f"{name}:positions": ("(given)", "(absent)") for name in missing})
        return
    reaches = reaches_of(answer)
    edges = oracle.edges(event, reaches)
    on_edge = {name: edge for name, edge in edges.items() if answer["groups"][name].get("edge")}
    _compare_edges(score, edges, found)
    expected = oracle.expected(event, reaches)
    wrong = _wrong(oracle, event, expected.values, answer)
    found.vectors_compared += 1
    found.values_compared += len(expected.values)
    found.from_both_views += bool(expected.from_batch and expected.from_speed)
    if on_edge:
        found.edge += 1
        found.edge_equal += not wrong
        found.edge_values += len(expected.values)
        wrong = _wrong(oracle, event, {**expected.values, **oracle.on_edges(event, reaches, on_edge)}, answer)
        found.edge_differences += len(wrong)
    _note(found, score["prediction_id"], wrong)


def _compare_edges(score: dict[str, Any], edges: Mapping[str, Edge], found: Comparison) -> None:
    said = {f"{name}:edge": bool(score["answer"]["groups"][name].get("edge")) for name in edges}
    wrong = differing({f"{name}:edge": edge.said for name, edge in edges.items()}, said)
    found.edge_against_rule += len(wrong)
    _show(found, score["prediction_id"], wrong)


def _wrong(
    oracle: Oracle, event: dict[str, Any], expected: Mapping[str, Value], answer: dict[str, Any]
) -> dict[str, tuple[Any, Any]]:
    return differing({**expected, **_asked(oracle, event)}, {**answer["values"], **_said(answer)})


def _note(found: Comparison, prediction_id: str, wrong: dict[str, tuple[Any, Any]]) -> None:
    found.differences += len(wrong)
    found.differing_vectors += bool(wrong)
    _show(found, prediction_id, wrong)


def _show(found: Comparison, prediction_id: str, wrong: dict[str, tuple[Any, Any]]) -> None:
    room = EXAMPLES - len(found.examples)
    found.examples += [Difference(prediction_id, what, *pair) for what, pair in list(wrong.items())[:room]]


def _asked(oracle: Oracle, event: dict[str, Any]) -> dict[str, Any]:
    entities = {
        f"{group.name}:entity": entity_of(oracle.declared, group.name, event) for group in oracle.declared.groups
    }
    return {"t_ms": event["event_ms"], **entities}


def _said(answer: dict[str, Any]) -> dict[str, Any]:
    entities = {f"{name}:entity": group.get("entity") for name, group in answer["groups"].items()}
    return {"t_ms": answer["t_ms"], **entities}


def read_scores(tables: Path, model: str, topic: str) -> list[dict[str, Any]]:
    """Return the records of a model's long-term score table for a topic's messages, each answer as it was given."""
    rows = delta.read(tables / f"scores_{model}", ["prediction_id", "answer"])
    rows = rows.filter(pl.col("prediction_id").str.starts_with(f"{topic}/"))
    return [{"prediction_id": name, "answer": orjson.loads(answer)} for name, answer in rows.iter_rows()]
