"""A small project whose training rows and split are made by hand: what preparation and segregation would hand over."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from batch_layer.evaluation import EvaluationReport, evaluate
from batch_layer.training import train
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.registry import MlflowRegistry
from lambda_core.repositories.tables import DeltaTables
from lambda_core.views.keyspace import Keyspace

MODEL = "returned"
VECTOR = ["price", "hour", "by_buyer__price_mean_1h", "by_buyer__count_1h"]
REGIONS = ("north", "south")


def declared(project: str, **model) -> dict:
    return {
        "project": project,
        "sources": {
            "orders": {
                "topic": "orders",
                "columns": {
                    "buyer": {"type": "string"},
                    "region": {"type": "string"},
                    "price": {"type": "decimal", "scale": 2},
                    "returned": {"type": "integer"},
                },
                "derive": {"at": {"type": "timestamp", "expression": "now()"}},
                "event_time": "at",
            }
        },
        "entities": {"buyer": {"keys": ["buyer"]}},
        "feature_groups": {
            "by_buyer": {
                "source": "orders",
                "entity": "buyer",
                "features": [
                    {"column": "price", "aggregations": ["mean"], "windows": ["1h"]},
                    {"aggregations": ["count"], "windows": ["1h"]},
                ],
            }
        },
        "feature_sets": {
            "checkout": {
                "asked_by": "orders",
                "request_features": {"price": {"expression": "price"}, "hour": {"expression": "hour(at)"}},
                "groups": ["by_buyer"],
            }
        },
        "labels": {MODEL: {"source": "orders", "value": "returned", "join": ["buyer"], "delay": "1d"}},
        "models": {
            MODEL: {
                "feature_set": "checkout",
                "label": MODEL,
                "partition_by": "region",
                "seed": 5,
                "split": {"strategy": "by_time"},
                "algorithm": {
                    "strategy": "lightgbm",
                    "parameters": {"n_estimators": 20, "num_leaves": 7, "subsample": 0.8, "subsample_freq": 1},
                },
                "baseline": {"strategy": "isotonic", "parameters": {"feature": "price"}},
                "gate": {"min_auc_gain": 0.02, "min_log_loss_drop": 0.05, "min_rows": 50, "resamples": 100},
                **model,
            }
        },
    }


def rows(seed: int = 1, size: int = 2_400, told: float = 1.0) -> pd.DataFrame:
    """Asking events: the outcome follows the price and, by `told`, what the window says; a tenth has no outcome."""
    random = np.random.default_rng(seed)
    price, window = random.normal(size=size), random.normal(size=size)
    chance = 1 / (1 + np.exp(-price - 3 * told * window))
    label = np.where(random.random(size) < 0.1, np.nan, random.random(size) < chance)
    window[random.random(size) < 0.2] = np.nan
    return pd.DataFrame(
        {
            "prediction_key": [f"file/-1/{place}" for place in range(size)],
            "t_ms": np.arange(size) * 1_000,
            "append_ms": np.arange(size) * 1_000 + 7,
            "region": [REGIONS[place % 2] for place in range(size)],
            "price": price,
            "hour": random.integers(0, 24, size),
            "by_buyer__price_mean_1h": window,
            "by_buyer__count_1h": random.integers(0, 9, size),
            "label": label,
        }
    )


TRAINING = (
    "prediction_key string, t_ms bigint, append_ms bigint, region string, price double, hour bigint, "
    "by_buyer__price_mean_1h double, by_buyer__count_1h bigint, label int"
)


@dataclass
class Shop:
    """A context, and how its tables are filled."""

    context: RunContext

    def fill(self, frame: pd.DataFrame, train: int = 1_400) -> None:
        """Write the rows; the first `train` of them train, the next 100 are left out, the others test."""
        spark, tables = self.context.spark, self.context.tables
        plain = [
            {name: None if pd.isna(value) else value for name, value in row.items()} for row in frame.to_dict("records")
        ]
        for row in plain:
            row["label"] = None if row["label"] is None else int(row["label"])
        tables.replace("training_checkout", spark.createDataFrame(plain, TRAINING).repartition(3))
        parts = ["train" if at < train else "embargo" if at < train + 100 else "test" for at in range(len(frame))]
        known = frame["label"].notna()
        split = [(key, part, "s1") for key, part, one in zip(frame.prediction_key, parts, known, strict=True) if one]
        tables.replace(
            f"split_{MODEL}", spark.createDataFrame(split, "prediction_key string, split string, split_id string")
        )

    def but(self, **model) -> Shop:
        """The same tables, registry and clock, with other settings of the model."""
        return self._as(self.context.project.project, self.context.project.project, **model)

    def elsewhere(self) -> Shop:
        """The same tables, registry and clock, where nothing was ever deployed: keys of its own."""
        return self._as(f"shop{uuid.uuid4().hex[:8]}", self.context.project.project)

    def _as(self, keys: str, project: str, **model) -> Shop:
        declares = Project.model_validate(declared(project, **model))
        context = replace(self.context, project=declares, keys=Keyspace(keys))
        context.builders = {**self.context.builders, "definition": lambda _: compile_definition(declares)}
        return Shop(context)


@pytest.fixture(scope="module")
def tracking(tmp_path_factory) -> str:
    """The one MLflow of these tests; every shop has names of its own in it."""
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow') / 'mlflow.db'}"


@pytest.fixture
def shop(spark, store, tracking: str, tmp_path: Path) -> Shop:
    """An empty project."""
    return _shop(spark, store, tmp_path, tracking)


@pytest.fixture(scope="module")
def judged_shop(spark, store, tracking: str, tmp_path_factory) -> tuple[Shop, EvaluationReport]:
    """A project with a good candidate, judged, as version 1; take `elsewhere()` to deploy it alone."""
    made = _shop(spark, store, tmp_path_factory.mktemp("models"), tracking)
    made.fill(rows())
    return made, evaluate(made.context, MODEL, train(made.context, MODEL).run_id)


def _shop(spark, store, folder: Path, tracking: str) -> Shop:
    name = f"shop{uuid.uuid4().hex[:8]}"
    project = Project.model_validate(declared(name))
    environment = Environment.model_validate({"redis": store.url, "state": folder})
    context = assemble(project, environment, FixedClock(1_000))
    registry = MlflowRegistry(tracking, name)
    context.builders = {
        **context.builders,
        "spark": lambda _: spark,
        "tables": lambda _: DeltaTables(spark, folder / "tables"),
        "registry": lambda _: registry,
        "definition": lambda _: compile_definition(project),
    }
    return Shop(context)
