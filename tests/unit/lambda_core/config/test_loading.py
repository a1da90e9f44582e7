"""Every mistake of the settings is told with file, key path, expected and found, before anything runs."""

import shutil
from pathlib import Path

import pytest
import yaml

from lambda_core.config.loading import load_environment, load_project
from lambda_core.config.safe_yaml import read_yaml
from lambda_core.errors import ConfigError

CONF = Path(__file__).parents[4] / "conf"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(CONF / "flights", tmp_path / "flights"))


def edited(folder: Path, file: str, old: str, new: str) -> str:
    path = folder / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(ConfigError) as caught:
        load_project(folder)
    return str(caught.value)


def test_the_shipped_project_is_valid():
    project = load_project(CONF / "flights")

    assert set(project.feature_sets["departure"].groups) == set(project.feature_groups)


def test_an_unknown_key_is_named_with_its_path_and_the_nearest_valid_one(folder: Path):
    message = edited(folder, "models.yaml", "partition_by:", "partitoin_by:")

    assert "models.yaml: models.late_arrival.partitoin_by" in message
    assert "found the unknown key 'partitoin_by'; did you mean 'partition_by'?" in message


def test_all_mistakes_are_told_at_once(folder: Path):
    (folder / "project.yaml").write_text("project: Flights\nowners: nobody\n")

    with pytest.raises(ConfigError) as caught:
        load_project(folder)

    assert "project.yaml: project: " in str(caught.value)
    assert "unknown key 'owners'; did you mean 'owner'?" in str(caught.value)


def test_a_duration_that_is_none_says_how_one_looks(folder: Path):
    message = edited(folder, "project.yaml", "lookback: 2d", "lookback: two days")

    assert "view.lookback: expected a duration like '5 minutes', '2h' or '30d', found 'two days'" in message


def test_a_name_that_nothing_declares_is_told_with_the_nearest_one(folder: Path):
    message = edited(folder, "features.yaml", "entity: route", "entity: rout")

    assert "feature_groups.arrivals_by_route.entity: expected one of" in message
    assert "found 'rout'; did you mean 'route'?" in message


@pytest.mark.parametrize(
    ("file", "old", "new", "path"),
    [
        (
            "features.yaml",
            "column: dep_delay",
            "column: dep_dealy",
            "feature_groups.departures_by_origin.features[1].column",
        ),
        (
            "features.yaml",
            "keys: [tailnum]",
            "keys: [tailnumm]",
            "feature_groups.arrivals_by_tail.entity (tail) in source arrivals",
        ),
        ("models.yaml", "flight, origin", "flihgt, origin", "labels.late_arrival.join[4]"),
        (
            "models.yaml",
            "flight, origin",
            "arr_delay, origin",
            "labels.late_arrival.join in source departures, which asks",
        ),
        (
            "features.yaml",
            "keys: [tailnum]",
            "keys: [arr_delay]",
            "feature_sets.departure.groups[5] (tail) in source departures",
        ),
        ("models.yaml", "partition_by: origin", "partition_by: orgin", "models.late_arrival.partition_by"),
    ],
)
def test_a_column_that_the_source_lacks_is_told_with_its_file_and_the_nearest_one(folder, file, old, new, path):
    message = edited(folder, file, old, new)

    assert f"{file}: {path}" in message
    assert "; did you mean " in message


@pytest.mark.parametrize(
    ("file", "old", "new", "path", "said"),
    [
        ("sources.yaml", "source: planes", "source: weather", "sources.departures.lookups.plane.source", "reference"),
        (
            "features.yaml",
            "source: arrivals",
            "source: planes",
            "feature_groups.arrivals_by_destination.source",
            "event",
        ),
        ("features.yaml", "asked_by: departures", "asked_by: planes", "feature_sets.departure.asked_by", "event"),
        ("models.yaml", "source: arrivals", "source: planes", "labels.late_arrival.source", "event"),
    ],
)
def test_a_source_of_the_wrong_kind_is_told_with_the_kind_it_has_to_be(folder: Path, file, old, new, path, said):
    message = edited(folder, file, old, new)

    assert f"{file}: {path}: expected a source of `kind: {said}`, " in message


def test_a_topic_that_two_sources_of_events_would_read_is_told(folder: Path):
    message = edited(folder, "sources.yaml", "topic: flights.arrivals", "topic: flights.departures")

    assert "sources.yaml: sources.arrivals.topic: expected a topic that no other source of events has, " in message
    assert "found 'flights.departures', which is that of sources.departures too" in message


def test_a_feature_set_has_one_label(folder: Path):
    path = folder / "models.yaml"
    declared = read_yaml(path)
    declared["labels"]["other"] = declared["labels"]["late_arrival"]
    declared["models"]["other"] = {**declared["models"]["late_arrival"], "label": "other"}
    path.write_text(yaml.safe_dump(declared))

    with pytest.raises(
        ConfigError, match=r"models\.other\.label: expected one label for all models of departure, found"
    ):
        load_project(folder)


@pytest.mark.parametrize(
    ("block", "path", "said"),
    [
        (
            "{ name: late, where: dep_dealy > 15, aggregations: [count], windows: [1h], unit: flights }",
            "feature_groups.departures_by_origin.features[0].where",
            "found 'dep_dealy'; did you mean 'dep_delay'?",
        ),
        (
            "{ name: late, condition: dep_delay > fifteen, aggregations: [share], windows: [1h] }",
            "feature_groups.departures_by_origin.features[0].condition",
            "found 'fifteen'",
        ),
        (
            "{ column: dep_delay, aggregations: [last_n], last: 3, windows: [1h] }",
            "models.late_arrival.feature_set",
            "expected numbers in a model's vector, found the lists of last_n in feature_groups.departures_by_origin",
        ),
    ],
)
def test_a_block_that_cannot_be_is_told_with_its_path(folder: Path, block: str, path: str, said: str):
    message = edited(folder, "features.yaml", "{ aggregations: [count], windows: [1h], unit: flights }", block)

    assert f"{path}: " in message
    assert said in message


def test_an_entity_that_the_vector_is_not_about_is_told_with_those_it_is(folder: Path):
    message = edited(folder, "models.yaml", "strategy: by_time", "strategy: by_time\n      entities: [carrier, orign]")

    assert "models.yaml: models.late_arrival.split.entities[1]: expected one of carrier, destination, origin" in message
    assert "found 'orign'; did you mean 'origin'?" in message


@pytest.mark.parametrize(
    "block",
    ["{ strategy: variance }", "[{ strategy: variance }]", "\n      - strategy: variance"],
)
def test_one_selection_and_a_list_of_one_are_the_same(folder: Path, block: str):
    path = folder / "models.yaml"
    path.write_text(path.read_text().replace("    seed: 2013\n", f"    seed: 2013\n    select: {block}\n"))

    assert [choice.strategy for choice in load_project(folder).models["late_arrival"].select] == ["variance"]


def test_a_wrong_key_of_a_selection_is_told_with_the_nearest_one(folder: Path):
    message = edited(folder, "models.yaml", "    seed: 2013\n", "    seed: 2013\n    select: { stratgey: variance }\n")

    assert "models.late_arrival.select.0.stratgey" in message
    assert "did you mean 'strategy'?" in message


def test_a_key_that_stands_in_two_files_is_refused(folder: Path):
    (folder / "more.yaml").write_text("labels: {}\n")

    with pytest.raises(ConfigError, match=r"labels: expected each key in one file, found it in .*models.yaml too"):
        load_project(folder)


def test_what_is_no_yaml_is_told_with_its_file(folder: Path):
    (folder / "models.yaml").write_text("labels: [unclosed\n")

    with pytest.raises(ConfigError, match=r"models\.yaml: expected YAML"):
        load_project(folder)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"labels: {a: 1}\nmodels: {}\nlabels: {}\n", r"line 3: expected each key .* found 'labels' in line 1 too"),
        (b"labels:\n  a: {value: 1, value: 2}\n", r"line 2: .* found 'value' in line 2 too"),
        (b"labels: {since: 2013-02-30}\n", r"'2013-02-30', which reads as timestamp and is none \(day is out of range"),
        (b"labels: !!bool perhaps\n", r"'perhaps', which reads as bool and is none"),
        ("description: für".encode("latin-1"), r"expected text in UTF-8, found another \(.*\); save it as UTF-8"),
        (b"labels: " + b"[" * 5_000, "cannot be read"),
    ],
    ids=["twice", "twice-inside", "no-date", "no-boolean", "latin-1", "too-deep"],
)
def test_what_yaml_would_lose_or_raise_is_told_with_its_file_and_line(folder: Path, content: bytes, said: str):
    (folder / "models.yaml").write_bytes(content)

    with pytest.raises(ConfigError, match=rf"models\.yaml: .*{said}"):
        load_project(folder)


def test_every_key_that_stands_twice_is_told_of_every_file(folder: Path):
    (folder / "features.yaml").write_text("labels: {a: 1, a: 2}\nlabels: {}\n")
    (folder / "models.yaml").write_text("description: {a: 1, a: 2}\n")
    (folder / "more.yaml").write_text("description: again\n")

    with pytest.raises(ConfigError) as caught:
        load_project(folder)

    told = [line.removeprefix(f"{folder}/").split(": ")[:2] for line in str(caught.value).splitlines()]
    assert told == [
        ["features.yaml", "line 1"],
        ["features.yaml", "line 2"],
        ["models.yaml", "line 1"],
        ["project.yaml", "description"],
    ]


def test_a_mapping_merges_others_and_its_own_keys_win(tmp_path: Path):
    file = tmp_path / "merged.yaml"
    file.write_text(
        "a: {b: &b {k: 1, l: 1}, c: {d: &d {<<: *b, k: 2}}}\nall: {<<: [*d, *b], l: 3}\neach: {<<: *b, <<: *d, k: 5}\n"
    )

    assert read_yaml(file) == {
        "a": {"b": {"k": 1, "l": 1}, "c": {"d": {"k": 2, "l": 1}}},
        "all": {"k": 2, "l": 3},
        "each": {"k": 5, "l": 1},
    }


def test_yaml_never_makes_an_object(folder: Path):
    (folder / "models.yaml").write_text("labels: !!python/object/apply:os.system ['true']\n")

    with pytest.raises(ConfigError, match="cannot be read"):
        load_project(folder)


def test_a_project_that_is_not_there_lists_those_that_are():
    with pytest.raises(ConfigError, match="there are: flights"):
        load_project(CONF / "fligths")


def test_variables_win_over_the_file_and_secrets_stay_hidden():
    variables = {"REDIS_URL": "redis://:secret@127.0.0.1:7000/0", "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:7001"}

    environment = load_environment(CONF / "environments" / "local.yaml", variables)

    assert environment.kafka == "127.0.0.1:7001"
    assert environment.redis.get_secret_value().endswith("7000/0")
    assert "secret" not in repr(environment)
    assert "secret" not in environment.model_dump_json()


def test_an_unknown_key_of_an_environment_is_named(tmp_path: Path):
    file = tmp_path / "local.yaml"
    file.write_text("spark: {driver_memroy: 1g}\n")

    with pytest.raises(ConfigError, match=r"local\.yaml: spark\.driver_memroy: .*did you mean 'driver_memory'"):
        load_environment(file, {})
