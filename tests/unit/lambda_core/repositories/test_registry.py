"""The registry's fake keeps the promises that stages rest on."""

from __future__ import annotations

from lambda_core.repositories.registry import MemoryRegistry, Version


def test_a_run_is_registered_once():
    registry = MemoryRegistry()
    run = registry.begin("late", {})

    assert registry.register("late", run) == registry.register("late", run) == Version("1", run)


def test_versions_count_up_a_model():
    registry = MemoryRegistry()
    runs = [registry.begin("late", {}), registry.begin("late", {})]
    for run in runs:
        registry.register("late", run)

    assert registry.versions("late") == [Version("1", runs[0]), Version("2", runs[1])]
    assert registry.versions("other") == []


def test_only_a_crowned_version_is_the_champion():
    registry = MemoryRegistry()
    version = registry.register("late", registry.begin("late", {}))

    assert registry.champion("late") is None

    registry.crown("late", version.version)

    assert registry.champion("late") == version


def test_a_run_keeps_what_it_was_told():
    registry = MemoryRegistry()
    run = registry.begin("late", {"seed": 1})
    registry.record(run, {"auc": 0.9}, {"plots/roc.png": b"png"})
    registry.finish(run, succeeded=True)

    assert registry.runs[run].metrics == {"auc": 0.9}
    assert registry.runs[run].files == {"plots/roc.png": b"png"}
    assert registry.runs[run].succeeded
