"""What came of a run: every answer and score against the oracle, every record against the tables."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from demo.oracle import delta
from tests.crash.oracle import Oracle, Placed
from tests.crash.project import ASKS_FROM, TOPIC

SHOWN = 20
WEIGHT = 0.01
"""Of the amount, in the model that scores."""


@dataclass(frozen=True)
class Standing:
    """The scores in Redis by prediction id, which holds those of all sales since it was last emptied."""

    scores: Mapping[str, bytes]
    since_ms: int = 0


@dataclass
class Judgement:
    """Figures by name, and a sentence a mistake (the first of each kind)."""

    figures: dict[str, Any] = field(default_factory=dict)
    wrong: Counter[str] = field(default_factory=Counter)
    said: list[str] = field(default_factory=list)

    def mistake(self, kind: str, sentence: str) -> None:
        """Count a mistake."""
        self.wrong[kind] += 1
        if self.wrong[kind] <= SHOWN:
            self.said.append(f"{kind}: {sentence}")


def judge_answers(found: Judgement, oracle: Oracle, answers: Iterable[Mapping[str, Any]], name: str) -> None:
    """Recompute every merged answer for its own positions; see that each generation has one horizon and epoch."""
    figures: Counter[str] = Counter()
    entities, views = set(), {}
    for answer in answers:
        figures[answer["source"]] += 1
        if answer["source"] != "merged":
            continue
        groups = answer["groups"].values()
        entities |= {group["entity"] for group in groups}
        figures["on the edge"] += any(group["edge"] for group in groups)
        figures["from both views"] += any(group["from_batch"] and group["from_speed"] for group in groups)
        view = (answer["horizon"], answer["epoch"])
        if views.setdefault(answer["generation"], view) != view:
            found.mistake("mixed generations", f"{answer['generation']}: {views[answer['generation']]} and {view}")
        figures["values compared"] += len(answer["values"])
        for sentence in oracle.compare(answer):
            found.mistake("differences", f"{name}: {sentence}; {answer['generation']}, horizon {answer['horizon']}")
    found.figures[name] = {**figures, "entities": len(entities), "generations": len(views)}


def judge_continuity(found: Judgement, answers: Iterable[Mapping[str, Any]]) -> None:
    """See that what a merged answer has once said is in every later one of its view, whatever Redis lost in between.

    Args:
        answers: in the order in which one reader got them.
    """
    said: dict[tuple[str, str, str], dict[str, int]] = {}
    for answer in answers:
        for name, group in answer["groups"].items() if answer["source"] == "merged" else ():
            before = said.setdefault((answer["generation"], name, group["entity"]), {})
            if any(group["positions"].get(partition, -1) < offset for partition, offset in before.items()):
                found.mistake(
                    "answers that went back", f"{name} {group['entity']}: {before}, then {group['positions']}"
                )
            before.update(group["positions"])


def judge_scores(
    found: Judgement,
    oracle: Oracle,
    records: Iterable[Placed],
    messages: Iterable[bytes],
    standing: Standing,
) -> list[dict[str, Any]]:
    """See that every asking sale has a score, and one only; return every score of the topic."""
    asked = {
        f"{TOPIC}/{one.partition}/{one.offset}": one.append_ms
        for one in records
        if one.sale and one.sale.cents >= ASKS_FROM * 100
    }
    scores = [orjson.loads(message) for message in messages]
    by_id: dict[str, dict[bytes, dict[str, Any]]] = {}
    for score in scores:
        by_id.setdefault(score["prediction_id"], {})[orjson.dumps(score)] = score
        expected = (
            0.5 if score["model_version"] is None else 1 / (1 + math.exp(-WEIGHT * score["answer"]["values"]["amount"]))
        )
        if abs(score["score"] - expected) > 1e-6:
            found.mistake(
                "scores of another value", f"{score['prediction_id']}: expected {expected}, found {score['score']}"
            )
    for lost in sorted(set(asked) - set(by_id)):
        found.mistake("scores lost", lost)
    for unasked in sorted(set(by_id) - set(asked)):
        found.mistake("scores that nobody asked for", unasked)
    for one in sorted(
        {one for one, append_ms in asked.items() if append_ms > standing.since_ms} - set(standing.scores)
    ):
        found.mistake("scores lost", f"{one} in Redis")
    for one, kept in standing.scores.items():
        if one in by_id and orjson.dumps(orjson.loads(kept)) not in by_id[one]:
            found.mistake("scores that stand and were not sent", one)
    judge_answers(found, oracle, (score["answer"] for score in scores), "scores")
    found.figures["scores"] |= {
        "asked": len(asked),
        "sent": len(scores),
        "sent again": len(scores) - sum(map(len, by_id.values())),
        "made again after Redis lost them": sum(len(versions) - 1 for versions in by_id.values()),
    }
    return scores


def judge_raw(found: Judgement, tables: Path, log: list[tuple[int, int, int, bytes]]) -> None:
    """See that raw holds each record of the topic once, to the byte, at its append time."""
    columns = ["partition", "offset", "append_time_ms", "value", "origin", "place"]
    rows = delta.read(tables / "raw_sales", columns).select(columns)
    held = Counter(rows.iter_rows())
    sent = Counter((*record, "log", TOPIC) for record in log)
    for lost in list(sent - held)[:SHOWN]:
        found.mistake("records lost", f"raw {lost}")
    for more in list(held - sent)[:SHOWN]:
        found.mistake("records doubled or changed", f"raw {more}")
    found.figures["records"] = {"produced": len(log), "raw": rows.height}


def judge_prepared(found: Judgement, records: list[Placed], copies: set[tuple[int, int]], tables: Path) -> None:
    """See that each record is accepted, quarantined or a declared duplicate, as it must be."""
    places = {(one.partition, one.offset) for one in records}
    broken = {(one.partition, one.offset) for one in records if one.sale is None}
    prepared = delta.read(tables / "prepared_sales", ["partition", "offset", "duplicate"])
    parts = {
        "quarantined": (_places(delta.read(tables / "quarantine_sales", ["partition", "offset"])), broken),
        "duplicates": (_places(prepared.filter(pl.col("duplicate").is_not_null())), copies),
        "accepted": (_places(prepared.filter(pl.col("duplicate").is_null())), places - broken - copies),
    }
    for name, (rows, expected) in parts.items():
        for place in list(expected - set(rows))[:SHOWN]:
            found.mistake("records lost", f"{name} {place}")
        for place in list(set(rows) - expected)[:SHOWN]:
            found.mistake(f"records that are {name} and should not be", str(place))
        if len(rows) != len(set(rows)):
            found.mistake("records doubled", f"{name}: {len(rows)} rows of {len(set(rows))} positions")
    found.figures["records"] |= {name: len(rows) for name, (rows, _) in parts.items()}


def judge_quarantine(found: Judgement, records: Iterable[Placed], messages: Iterable[bytes]) -> None:
    """See that every broken record, and no other, was told, by its position; a killed query may say so again."""
    broken = {(one.partition, one.offset) for one in records if one.sale is None}
    said = [(one["partition"], one["offset"]) for one in map(orjson.loads, messages)]
    for place in sorted(broken ^ set(said)):
        found.mistake("records not told, or told wrongly, by the query", str(place))
    found.figures["quarantine told"] = {"records": len(broken), "again": len(said) - len(set(said))}


def _places(frame: pl.DataFrame) -> list[tuple[int, int]]:
    return list(frame.select("partition", "offset").iter_rows())
