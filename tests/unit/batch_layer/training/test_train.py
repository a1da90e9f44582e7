"""A training run ends in the registry, however it ends."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import SimpleNamespace

import pytest

from lambda_core.clock import FixedClock
from lambda_core.config.loading import load_project
from lambda_core.errors import DataError
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.registry import MemoryRegistry

flow = import_module("batch_layer.training.train")  # the package has the function under this name
PROJECT = load_project(Path(__file__).parents[4] / "conf" / "flights")


@pytest.mark.parametrize("error", [DataError, TypeError, KeyboardInterrupt])
def test_a_run_that_fails_is_ended(monkeypatch, error):
    def fail(*_):
        raise error("no model")

    monkeypatch.setattr(flow, "labelled_rows", lambda *_: None)
    monkeypatch.setattr(flow, "recorded_split", lambda *_: "s1")
    monkeypatch.setattr(flow, "_fit_all", fail)
    registry, definition = MemoryRegistry(), compile_definition(PROJECT)
    given = {"project": PROJECT, "definition": definition, "registry": registry}

    with pytest.raises(error, match="no model"):
        flow.train(SimpleNamespace(**given, run_id="r", clock=FixedClock(0)), "late_arrival")

    assert [run.succeeded for run in registry.runs.values()] == [False]
