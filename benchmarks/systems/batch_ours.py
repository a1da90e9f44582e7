"""Our batch layer as its jobs run it: a context of YAML's settings with tables below a folder. A program of its own.

`batch_ours.py prepare FOLDER...` writes what was drawn as prepared tables; `batch_ours.py CASE WARM FOLDER` works on the
small folder, says `warm`, works on the other, and says how many seconds that took. CASE is a feature set (`every`,
`windows`, `latest`: its training rows), `tiles` (of a view over all orders), `csv` or `json` (ingestion).
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from batch_layer.ingestion import ingest
from batch_layer.preparation.tiles import Selection, build_tiles
from batch_layer.preparation.training_rows import build_training_rows
from benchmarks.systems.processes import ROOT
from lambda_core.bootstrap import assemble
from lambda_core.config.loading import load_environment
from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.schemas import tables

if TYPE_CHECKING:
    from lambda_core.context import RunContext

COLUMNS: dict[str, Any] = {
    "number": {"type": "integer"},
    "shop": {"type": "string"},
    "amount": {"type": "float"},
    "at_ms": {"type": "integer"},
}
HEAP = "1g"
"""Spark's memory: a JVM takes what it may, and this shows whether it needs more for more rows."""
PREPARED = (
    "timestamp_millis(at_ms) as ordered",
    "at_ms as event_time_ms",
    "cast(null as bigint) as period",
    "-1 as `partition`",
    "number as `offset`",
    "at_ms as append_time_ms",
    "'drawn' as batch_id",
    "cast(null as string) as unique_id",
    "cast(null as string) as duplicate",
)


def project(case: str) -> Project:
    """Return what is declared; left edges are exact to the millisecond, as the peers' are, but for tiles."""
    exact = {} if case == "tiles" else {"hop": "1ms"}
    windows = {"windows": ["1d", "7d"], **exact}
    event: dict[str, Any] = {
        "known_by": "event_time",
        "derive": {"ordered": {"type": "timestamp", "expression": "timestamp_millis(at_ms)"}},
        "event_time": "ordered",
    }
    orders = {"columns": COLUMNS, **event}
    if case in {"csv", "json"}:
        return Project.model_validate(
            {"project": "bench", "sources": {"orders": {**orders, "files": {"path": "*", "format": case}}}}
        )
    asks = {"columns": {name: column for name, column in COLUMNS.items() if name != "amount"}, **event}
    values = {"column": "amount", "aggregations": ["sum", "mean", "min", "max"], **windows}
    newest = {"column": "amount", "aggregations": ["latest"], "windows": ["7d"], **exact}
    groups = {"windows": [{"aggregations": ["count"], **windows}, values], "latest": [newest]}
    if case == "tiles":
        del groups["latest"]
    number = {"number": {"expression": "number", "type": "integer"}}
    return Project.model_validate(
        {
            "project": "bench",
            "view": {"lookback": "60d"},
            "sources": {"orders": {"topic": "bench.orders", **orders}, "asks": {"topic": "bench.asks", **asks}},
            "entities": {"shop": {"keys": ["shop"]}},
            "feature_groups": {
                name: {"source": "orders", "entity": "shop", "features": blocks} for name, blocks in groups.items()
            },
            "feature_sets": {
                name: {"asked_by": asked_by, "groups": [group], "request_features": number}
                for name, asked_by, group in (
                    ("every", "orders", "windows"),
                    ("windows", "asks", "windows"),
                    ("latest", "asks", "latest"),
                )
                if group in groups
            },
        }
    )


def context_of(case: str, folder: Path) -> RunContext:
    """Return the context of one machine, as it is shipped but for Spark's memory, with state and data below the folder."""
    variables = {"MAINSTEM_STATE": str(folder / "state"), "MAINSTEM_DATA": str(folder / "data")}
    shipped = load_environment(ROOT / "conf" / "environments" / "local.yaml", variables)
    spark = shipped.spark.model_copy(update={"driver_memory": HEAP})
    context = assemble(project(case), shipped.model_copy(update={"spark": spark}))
    context.builders["definition"] = lambda own: compile_definition(own.project)
    return context


def prepare(folder: Path) -> None:
    """Write what was drawn below the folder as prepared tables."""
    context = context_of("every", folder)
    for source in context.project.sources:
        if (folder / source).exists():
            rows = context.spark.read.parquet(str(folder / source)).selectExpr("*", *PREPARED)
            context.tables.replace(tables.prepared(source), rows)


def work(case: str, folder: Path) -> float:
    """Do a case's work, with nothing there from before; return the seconds."""
    context = context_of(case, folder)
    made = {"tiles": tables.tiles("windows"), "csv": tables.raw("orders"), "json": tables.raw("orders")}
    shutil.rmtree(context.environment.tables / made.get(case, tables.training(case)), ignore_errors=True)
    _ = context.tables
    begin = time.perf_counter()
    if case == "tiles":
        build_tiles(context, Selection(0, {"orders": context.tables.version(tables.prepared("orders"))}))
    elif case in {"csv", "json"}:
        ingest(context)
    else:
        build_training_rows(context, case)
    return time.perf_counter() - begin


def main() -> None:
    """Prepare folders, or measure a case."""
    case, *folders = sys.argv[1:]
    if case == "prepare":
        begin = time.perf_counter()
        for folder in folders:
            prepare(Path(folder))
        print(json.dumps({"seconds": time.perf_counter() - begin}))
        return
    warm, measured = folders
    work(case, Path(warm))
    print("warm", flush=True)
    print(json.dumps({"seconds": work(case, Path(measured))}))


if __name__ == "__main__":
    main()
