"""A project whose expressions cannot work is refused by the command, before any stage or query runs."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from jobs import batch, speed
from jobs.cli.main import app
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.loading import load_project
from lambda_core.config.project import Project
from lambda_core.context import RunContext

PROJECT = load_project(Path(__file__).parents[3] / "conf" / "flights")
MISTAKES = {
    "labels.late_arrival.value": "lat",
    "feature_sets.departure.where": "dep_dely > 0",
    "feature_sets.departure.request_features.seats.expression": "seets",
    "sources.departures.derive.plane_age.expression": "year - plane_yaer",
    "sources.weather.columns.wind_gust.repair": "wind_gst",
}


@pytest.fixture
def context(spark, tmp_path, monkeypatch):
    """Make the context that both commands get: the shipped project with another text at these key paths."""

    def make(mistakes: dict[str, str]) -> RunContext:
        fields = PROJECT.model_dump(mode="json", by_alias=True)
        for path, text in mistakes.items():
            *way, last = path.split(".")
            place = fields
            for step in way:
                place = place[step]
            place[last] = text
        # Nobody listens at these addresses: whoever asked them before looking at expressions would say so.
        nowhere = {"kafka": "127.0.0.1:1", "redis": "redis://127.0.0.1:1/0"}
        environment = Environment.model_validate({"state": tmp_path / "state", "data": tmp_path / "data", **nowhere})
        made = assemble(Project.model_validate(fields), environment)
        made.builders["spark"] = lambda _: spark
        monkeypatch.setattr(batch, "context", lambda: made)
        monkeypatch.setattr(speed, "context", lambda **_: made)
        return made

    return make


@pytest.mark.parametrize("command", [["batch", "run"], ["batch", "run", "publishing"], ["speed"]], ids=" ".join)
def test_a_command_ends_with_every_mistake_and_nothing_was_begun(context, command: list[str]):
    run = context(MISTAKES)

    result = CliRunner().invoke(app, command)

    said = result.output.splitlines()
    assert result.exit_code == 2, result.output
    assert said[0].startswith("ConfigError: ")
    assert sorted(line.removeprefix("ConfigError: ").split(": ")[0] for line in said[: len(MISTAKES)]) == sorted(
        MISTAKES
    )
    assert "labels.late_arrival.value: expected one of " in result.output
    assert "; found 'lat'; did you mean 'late'?; the expression is: lat" in result.output
    assert said[-1].startswith("What to do: edit the file and the key path that the message names")
    assert not run.environment.state.exists()


def test_a_request_that_is_followed_is_refused_too(context, capsys):
    context({"feature_sets.departure.where": "dep_delay"})

    assert batch.follow(["ingestion\n"]) == 2

    assert (
        "feature_sets.departure.where: expected a condition, found an expression of type bigint"
        in capsys.readouterr().err
    )


def test_a_sound_project_goes_on_to_its_stages(context):
    """The first of them then finds no files in a folder that is not there."""
    run = context({})

    result = CliRunner().invoke(app, ["batch", "run", "ingestion"])

    assert "DataError: source airports: expected a file at" in result.output
    assert (run.environment.state / "audit.jsonl").exists()
