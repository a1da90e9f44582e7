"""The command line: help that teaches, and clear answers to wrong input."""

import json
import shutil
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from jobs.cli.main import app
from jobs.process import guarded
from jobs.stages import STAGES
from lambda_core.errors import ConfigError
from lambda_core.repositories.state_folder import StateFolder

CONF = str(Path(__file__).parents[3] / "conf")
runner = CliRunner()


@pytest.mark.parametrize(
    "command",
    [
        "up",
        "down",
        "demo",
        "batch",
        "data",
        "features",
        "speed",
        "merge",
        "score",
        "serve",
        "listen",
        "announce",
        "ask",
        "config",
        "topics",
    ],
)
def test_every_command_explains_itself(command: str):
    result = runner.invoke(app, [command, "--help"])

    assert result.exit_code == 0
    assert "Usage" in result.output


def test_a_merge_worker_is_given_the_partitions_that_are_named_or_none(monkeypatch: pytest.MonkeyPatch):
    given = []
    monkeypatch.setattr("jobs.merge.main", lambda partitions: given.append(partitions) or 0)

    for arguments in ([], ["--partition", "0", "--partition", "3"]):
        assert runner.invoke(app, ["merge", *arguments]).exit_code == 0

    assert given == [None, [0, 3]]


def test_the_stages_are_listed_in_their_order():
    result = runner.invoke(app, ["batch", "list"])

    assert [line.split()[0] for line in result.output.splitlines()] == list(STAGES)


def test_an_unknown_stage_is_answered_with_those_there_are():
    result = runner.invoke(app, ["batch", "run", "ingestoin"])

    assert result.exit_code == 2
    assert "ingestoin" in result.output


def test_going_back_explains_itself():
    result = runner.invoke(app, ["batch", "revert", "--help"])

    assert result.exit_code == 0
    assert "previous" in result.output


def test_a_key_without_a_value_is_refused_before_anything_is_asked():
    result = runner.invoke(app, ["ask", "departure", "--key", "origin"])

    assert result.exit_code == 2
    assert "column=value" in result.output


@pytest.mark.parametrize(
    ("named", "counted"), [([], "flights: 7 sources"), (["--project", "movies"], "movies: 4 sources")]
)
def test_config_check_counts_what_is_declared_and_the_demos_project_is_the_default(
    monkeypatch: pytest.MonkeyPatch, named: list[str], counted: str
):
    monkeypatch.delenv("MAINSTEM_PROJECT", raising=False)

    result = runner.invoke(app, ["config", "check", "--conf", CONF, *named])

    assert result.exit_code == 0, result.output
    assert result.output.startswith(counted)
    assert "No mistake found" in result.output


def test_help_and_errors_say_which_project_is_worked_on(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("MAINSTEM_PROJECT", raising=False)
    for command in ([], ["config", "check"], ["features", "ls"]):
        said = " ".join(runner.invoke(app, [*command, "--help"]).output.replace("│", " ").split())
        assert "MAINSTEM_PROJECT" in said
        assert "first" in said.partition("MAINSTEM_PROJECT")[2] or "by default the first by name" in said
    with pytest.raises(
        ConfigError, match="there are: flights, movies; MAINSTEM_PROJECT names one, else it is the first"
    ):
        runner.invoke(app, ["config", "check", "--conf", CONF, "--project", "moives"], catch_exceptions=False)
    with pytest.raises(ConfigError, match=r"expected a folder with a project.yaml in it, found none"):
        runner.invoke(app, ["config", "check", "--conf", str(tmp_path)], catch_exceptions=False)


def test_config_check_refuses_a_state_folder_of_another_project(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    StateFolder(tmp_path, "movies").claim()
    monkeypatch.setenv("MAINSTEM_STATE", str(tmp_path))
    arguments = ["config", "check", "--conf", CONF, "--project"]

    assert runner.invoke(app, [*arguments, "movies"]).exit_code == 0
    with pytest.raises(ConfigError, match=r"expected tables of project 'flights', found those of project 'movies'"):
        runner.invoke(app, [*arguments, "flights"], catch_exceptions=False)


def test_config_check_tells_every_wrong_strategy_by_its_place(tmp_path):
    for folder in ("flights", "environments"):
        shutil.copytree(Path(CONF) / folder, tmp_path / folder)
    path = tmp_path / "flights" / "models.yaml"
    text = (
        path.read_text()
        .replace("strategy: by_time", "strategy: by_tmie")
        .replace("feature: dep_delay", "column: dep_delay")
    )
    path.write_text(
        text.replace(
            "    seed: 2013\n", "    seed: 2013\n    select: { strategy: chi_squared, parameters: { keep: 0 } }\n"
        )
    )

    with pytest.raises(ConfigError) as caught:
        runner.invoke(app, ["config", "check", "--conf", str(tmp_path)], catch_exceptions=False)

    said = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in said] == [
        "models.late_arrival.split.strategy",
        "models.late_arrival.select[0]",
        "models.late_arrival.baseline.parameters",
    ]
    assert "keep: expected a whole number from 1 on, found 0" in said[1]


def test_config_check_tells_together_what_it_finds_behind_names(tmp_path):
    for folder in ("flights", "environments"):
        shutil.copytree(Path(CONF) / folder, tmp_path / folder)
    replaced = {
        "flights/models.yaml": [("feature: dep_delay", "feature: dep_dealy")],
        "flights/project.yaml": [("\nview:", "\nchain: { then: [publishign] }\nview:")],
        "flights/sources.yaml": [
            ("expect: column_values_to_not_be_null", "expect: column_values_to_not_be_nul"),
            ("arguments: { column: tzone", "arguments: { column: tzon"),
            ("files: { path: airports.csv }", "repository: { strategy: no.such.Store }"),
        ],
        "environments/local.yaml": [("state:", "stat:")],
    }
    for file, changes in replaced.items():
        path = tmp_path / file
        for old, new in changes:
            text = path.read_text()
            assert old in text
            path.write_text(text.replace(old, new, 1))

    with pytest.raises(ConfigError) as caught:
        runner.invoke(app, ["config", "check", "--conf", str(tmp_path)], catch_exceptions=False)

    said = str(caught.value)
    for sentence in (
        "local.yaml: stat: expected one of",
        "models.late_arrival.baseline.parameters: expected a value of departure (",
        "found 'dep_dealy'; did you mean 'dep_delay'?",
        "sources.airports.repository.strategy: expected the dotted path of a class that Python can import",
        "sources.airports.expectations[0].expect: expected an expectation of Great Expectations",
        "sources.airports.expectations[0].arguments.column: expected one of alt, ",
        "chain.then[0]: expected one of ingestion",
    ):
        assert sentence in said


def test_config_show_prints_yaml_without_the_password(monkeypatch):
    monkeypatch.setenv("REDIS_URL", "redis://:secret@127.0.0.1:1/0")

    result = runner.invoke(app, ["config", "show", "--conf", CONF])

    assert yaml.safe_load(result.output)["environment"]["redis"] == "**********"
    assert "secret" not in result.output


def test_config_schema_is_json_schema():
    result = runner.invoke(app, ["config", "schema"])

    assert "feature_groups" in json.loads(result.output)["properties"]


def test_config_diff_of_an_environment_with_itself_is_empty():
    result = runner.invoke(app, ["config", "diff", "local", "local", "--conf", CONF])

    assert result.output.strip() == "local and local are the same"


def test_a_known_error_is_one_sentence_with_what_to_do(capsys):
    def work():
        raise ConfigError("models.yaml: gate: expected a number, found 'high'")

    code = guarded(work)

    said = capsys.readouterr().err
    assert code == 2
    assert said.startswith("ConfigError: models.yaml: gate: expected a number, found 'high'\nWhat to do: edit the file")


def test_features_are_listed_and_shown_from_the_settings_alone():
    listed = json.loads(runner.invoke(app, ["features", "ls", "--json", "--conf", CONF]).output)
    of_group = runner.invoke(app, ["features", "ls", "--group", "weather_by_origin", "--json", "--conf", CONF])
    name = listed[0]["name"]
    shown = runner.invoke(app, ["features", "show", name, "--conf", CONF])

    assert {card["name"].split("__")[0] for card in json.loads(of_group.output)} == {"weather_by_origin"}
    assert len(listed) > len(json.loads(of_group.output))
    assert json.loads(runner.invoke(app, ["features", "ls", "--unused", "--json", "--conf", CONF]).output) == []
    assert shown.output.startswith(name)
    assert listed[0]["owner"] in shown.output
    assert name[:20] in runner.invoke(app, ["features", "ls", "--conf", CONF]).output


def test_an_unknown_group_is_answered_with_those_there_are():
    result = runner.invoke(app, ["features", "ls", "--group", "nobody", "--conf", CONF])

    assert "expected one of departures_by_origin" in str(result.exception)
