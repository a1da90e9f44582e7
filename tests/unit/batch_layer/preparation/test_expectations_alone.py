"""Expectations are checked by one thread at a time: what checks them is one object a process."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from unittest.mock import MagicMock

from batch_layer.preparation import gate
from batch_layer.preparation.gate import check_expectations


def test_sources_prepared_side_by_side_are_held_to_their_expectations_one_after_the_other(monkeypatch, tmp_path):
    running, most = [], []

    def look(_, __, name, ___):
        running.append(name)
        time.sleep(0.05)
        most.append(len(running))
        running.remove(name)
        return [(SimpleNamespace(severity="warn"), name)]

    monkeypatch.setattr(gate, "_quiet_context", MagicMock())
    monkeypatch.setattr(gate, "_failures", look)
    monkeypatch.setattr(gate, "_expected", lambda *_: "all is well")
    context = MagicMock()
    context.clock.now_ms.return_value = 0
    context.tables.version.return_value = 0
    context.tables.folder.side_effect = lambda name: tmp_path / name

    with ThreadPoolExecutor(2) as pool:
        found = list(pool.map(lambda name: check_expectations(context, [name]), ["orders", "visits"]))

    assert found == [("orders",), ("visits",)]
    assert most == [1, 1]
