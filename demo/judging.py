"""What the oracle says of a demo: every answer, every account, and what the product itself reported."""

from __future__ import annotations

import json
from typing import Any

import polars as pl

from demo import report
from demo.freshness import Freshness
from demo.kills import repeated_updates
from demo.oracle import declared, delta
from demo.oracle.accounts import accounts, disagreements
from demo.oracle.comparing import Oracle, compare, read_scores
from demo.oracle.records import read_source
from demo.oracle.training import compare_training
from demo.replay import Replayed, topics
from demo.stage import CONF, FEATURE_SET, MODEL, PROJECT, Stage
from lambda_core.schemas.messages import UPDATES, topic


def judge(stage: Stage, replayed: Replayed, fresh: Freshness) -> report.Findings:
    """Let the oracle compare every answer and every account."""
    with stage.step("oracle"):
        tables, data = stage.environment.tables, stage.environment.data
        project = declared.read(CONF, FEATURE_SET)
        oracle = Oracle.over(project, tables, data)
        scores = read_scores(tables, MODEL, topics(CONF)["departures"])
        rows = delta.read(tables / f"training_{FEATURE_SET}")
        rows = rows.filter(pl.col("prediction_key").str.starts_with(f"{PROJECT}."))
        references = [name for name in project.sources if name not in oracle.records]
        records = oracle.records | {name: read_source(project, name, tables, data) for name in references}
        own = accounts(records, data, replayed.sent)
        told = [account for prepared in reports(stage, "preparation") for account in prepared["sources"]]
        reported = {account["source"]: account for account in told}
        return report.Findings(
            accounts=own,
            comparison=compare(oracle, scores),
            training=compare_training(oracle, scores, rows),
            freshness=fresh,
            replayed=replayed,
            partitions=reports(stage, "evaluation")[-1][MODEL]["figures"],
            disagreements=disagreements(own, reported),
            trigger=stage.environment.speed.trigger,
            duplicated_updates=repeated_updates(stage.environment.kafka, topic(PROJECT, UPDATES)),
        )


def reports(stage: Stage, name: str) -> list[dict[str, Any]]:
    """Return what a stage's runs reported, the last one last, from the audit trail."""
    trail = stage.environment.state / "audit.jsonl"
    entries = [json.loads(line) for line in trail.read_text(encoding="utf-8").splitlines()]
    return [entry["report"] for entry in entries if entry["stage"] == name and entry.get("report")]
