"""The project of the crash runs, as a folder of YAML: sales of many customers in a few shops; periods of seconds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.crash.oracle import DECLARED, Rules

NAME, SOURCE, TOPIC, MODEL, FEATURE_SET = "crash", "sales", "crash.sales", "returned", "sale"
PARTITIONS = 2
REGION = "all"
ASKS_FROM = 90
"""Sales of this amount and more ask for a score."""
RULES = Rules(period_ms=15_000, ring=4, duplicate_horizon_ms=20_000)


@dataclass(frozen=True)
class Timing:
    """How often the query and the raw writer commit, as settings say it."""

    trigger: str = "realtime 20 seconds"
    raw_trigger: str = "15 seconds"


def declared() -> dict[str, Any]:
    """Return the project's settings."""
    return {
        "project": NAME,
        "view": {"period": f"{RULES.period_ms}ms", "clock_allowance": "1 second", "ring": RULES.ring},
        "sources": {
            SOURCE: {
                "topic": TOPIC,
                "columns": {
                    "id": {"type": "string", "required": True},
                    "region": {"type": "string", "required": True},
                    "customer": {"type": "string"},
                    "shop": {"type": "string"},
                    "amount": {"type": "decimal", "scale": 2, "min": 0},
                    "weight": {"type": "float"},
                    "at": {"type": "integer", "required": True},
                },
                "derive": {"sold": {"type": "timestamp", "expression": "timestamp_millis(at)"}},
                "event_time": "sold",
                "unique_key": ["id"],
                "duplicate_horizon": f"{RULES.duplicate_horizon_ms}ms",
                "first_year": 2020,
            }
        },
        "entities": {"customer": {"keys": ["customer"]}, "shop": {"keys": ["shop"]}},
        "feature_groups": {
            group: {"source": SOURCE, "entity": group.removeprefix("by_"), "features": [_block(*one) for one in blocks]}
            for group, blocks in DECLARED.items()
        },
        "feature_sets": {
            FEATURE_SET: {
                "asked_by": SOURCE,
                "where": f"amount >= {ASKS_FROM}",
                "request_features": {"amount": {"expression": "amount"}},
                "groups": list(DECLARED),
            }
        },
        "labels": {MODEL: {"source": SOURCE, "value": "0", "join": ["id"], "delay": "1d"}},
        "models": {
            MODEL: {
                "feature_set": FEATURE_SET,
                "label": MODEL,
                "partition_by": "region",
                "split": {"strategy": "by_time"},
                "algorithm": {"strategy": "logistic"},
                "baseline": {"strategy": "isotonic"},
            }
        },
        "serving": {
            "deadline": "1 second",
            "ladder": [{"source": "merged"}, {"source": "batch_only"}, {"source": "default", "value": 0.5}],
        },
    }


def write(folder: Path, kafka: str, redis_url: str, timing: Timing) -> dict[str, str]:
    """Write the project and its environment below a folder; return the variables that name them to every process."""
    project = folder / "conf" / NAME
    project.mkdir(parents=True)
    (project / "project.yaml").write_text(yaml.safe_dump(declared()), encoding="utf-8")
    environment = {
        "state": str(folder / "state"),
        "spark": {
            "master": "local[2]",
            "streaming_master": f"local[{PARTITIONS + 5}]",
            "driver_memory": "1500m",
            "shuffle_partitions": 2,
        },
        "speed": {"trigger": timing.trigger, "raw_trigger": timing.raw_trigger, "topic_partitions": 2},
    }
    (folder / "conf" / "environment.yaml").write_text(yaml.safe_dump(environment), encoding="utf-8")
    return {
        "MAINSTEM_PROJECT": str(project),
        "MAINSTEM_ENVIRONMENT": str(folder / "conf" / "environment"),
        "KAFKA_BOOTSTRAP_SERVERS": kafka,
        "REDIS_URL": redis_url,
        # These JVMs live for minutes: code that is compiled at once is worth more than code that is compiled well. What has
        # one compiler gets 48 MB for its code, which a query fills in ten minutes, and then searches for what to drop.
        "JAVA_TOOL_OPTIONS": "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=160m",
    }


def _block(column: str | None, aggregations: list[str], windows: list[str]) -> dict[str, Any]:
    named = {} if column is None else {"column": column}
    return {**named, "aggregations": aggregations, "windows": windows}
