"""Steps from feature to feature: what they compile to, where they stand in a vector, and the sentences that wrong ones get."""

from __future__ import annotations

import importlib
import json
import sys

import msgspec
import pytest
import yaml

from lambda_core.config.loading import load_project
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError, SchemaError
from lambda_core.features.catalogue import card_of, catalogue
from lambda_core.features.definition import Definition, compile_definition
from lambda_core.views.answering import Answerer, Question
from serving_layer.routing.questions import Asked, Questions
from tests.laws.known import KnownViews

SHOP = {
    "project": "shop",
    "sources": {
        "orders": {
            "topic": "shop.orders",
            "columns": {
                "buyer": {"type": "string"},
                "shop": {"type": "string"},
                "price": {"type": "decimal", "scale": 2, "unit": "euros", "min": 0, "max": 900},
                "items": {"type": "integer", "unit": "items", "min": 1},
            },
            "derive": {"at": {"type": "timestamp", "expression": "now()"}},
            "event_time": "at",
        }
    },
    "entities": {"buyer": {"keys": ["buyer"]}},
    "feature_groups": {
        "spent": {
            "source": "orders",
            "entity": "buyer",
            "features": [
                {"aggregations": ["count"], "windows": ["1h"]},
                {"column": "price", "aggregations": ["mean"], "windows": ["1h"]},
                {"column": "price", "aggregations": ["last_n"], "last": 2},
                {"column": "shop", "aggregations": ["latest"], "windows": ["1h"]},
            ],
        }
    },
    "labels": {"back": {"source": "orders", "value": "1", "join": ["buyer"], "delay": "1d"}},
}
SET = {
    "asked_by": "orders",
    "owner": "sales",
    "request_features": {
        "price": {"expression": "price"},
        "items": {"expression": "items", "type": "integer"},
        "hour": {"expression": "hour(at)", "type": "integer"},
        "word": {"expression": "shop", "type": "string"},
    },
    "groups": ["spent"],
}
MODEL = {
    **{key: {"strategy": "x"} for key in ("split", "algorithm", "baseline")},
    "feature_set": "order",
    "label": "back",
    "partition_by": "shop",
}
DEARER = {"name": "dearer", "strategy": "difference", "of": ["price", "usual"], "description": "Above the usual."}
STEPS = [
    {"name": "usual", "strategy": "fill", "of": "spent__price_mean_1h", "parameters": {"value": 20}},
    DEARER,
    {"name": "clock", "strategy": "cyclic", "of": ["hour"], "parameters": {"period": 24}},
    {"name": "some", "strategy": "clip", "of": "items", "parameters": {"high": 5}, "unit": "pieces"},
]
READ = ["price", "items", "hour", "word", "spent__count_1h", "spent__price_mean_1h"]
READ += ["spent__price_last_n_all", "spent__shop_latest_1h"]


def settings(steps, **changes) -> dict:
    return {**SHOP, "feature_sets": {"order": {**SET, "transform": steps}}, **changes}


def compiled(steps, **changes) -> Definition:
    return compile_definition(Project.model_validate(settings(steps, **changes)))


def step(strategy: str, of, **more) -> dict:
    return {"name": "made", "strategy": strategy, "of": of, **more}


def test_what_is_made_stands_behind_what_is_read_in_order_of_declaration():
    definition = compiled(STEPS)

    assert definition.read_names("order") == READ
    assert definition.vector_names("order") == [*READ, "usual", "dearer", "clock_sin", "clock_cos", "some"]
    assert list(definition.series["order"].kinds.values()) == ["float", "float", "float", "float", "integer"]
    assert definition.series["order"].given == {
        "spent__price_mean_1h": "float",
        "price": "float",
        "hour": "integer",
        "items": "integer",
    }


def test_steps_decide_the_vectors_id_and_neither_their_words_nor_the_definitions_id():
    plain, some, other = compiled([]), compiled(STEPS), compiled([*STEPS[:3], {**STEPS[3], "parameters": {"high": 6}}])
    words = compiled([{**one, "unit": "new", "description": "new"} for one in STEPS])

    assert {one.id for one in (plain, some, other, words)} == {plain.id}
    ids = [one.feature_set_id("order") for one in (plain, some, other)]
    assert len(set(ids)) == 3
    assert words.feature_set_id("order") == ids[1]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (
            step("ratio", ["prise", "items"]),
            r"\.of\[0\]: expected one of .*; found 'prise'; did you mean 'price'",
        ),
        (
            step("logarithm", "later"),
            r"\.of\[0\]: expected a value from before this step, found 'later', which .*\[1\] makes",
        ),
        (
            step("logarithm", "made"),
            r"\.of\[0\]: expected a value from before this step, found 'made', which .*\[0\] makes",
        ),
        (step("missing", "word"), r"\.of\[0\]: expected a number, found 'word', a string"),
        (
            step("fill", "spent__shop_latest_1h", parameters={"value": 0}),
            "expected a number, found 'spent__shop_latest_1h', a string",
        ),
        (step("logarithm", "spent__price_last_n_all"), "expected a number, found 'spent__price_last_n_all', a list"),
        (step("ratio", "price"), r"\.of: expected 2 for ratio, found 1"),
        (step("logarithm", ["price", "items"]), r"\.of: expected 1 for logarithm, found 2"),
        (step("log", "price"), r"\.strategy: expected one of bins, .*the dotted path of a class.*found 'log'"),
        (
            step("clip", "price", parameters={"lower": 1}),
            r"\.parameters: expected those of clip \(low, high\), found lower",
        ),
        (step("clip", "price"), r"\.parameters: expected `low`, `high` or both, found neither"),
        (step("clip", "price", parameters={"low": "1e3"}), r"\.parameters\.low: expected a number, found '1e3'"),
        (
            step("clip", "price", parameters={"low": 2, "high": 1}),
            r"\.parameters\.high: expected a number from 2 on, found 1",
        ),
        (
            step("clip", "items", parameters={"low": 0.5}),
            r"\.parameters\.low: expected a whole number of 64 bits, .*found 0\.5",
        ),
        (
            step("fill", "items", parameters={"value": 2**63}),
            r"\.parameters\.value: expected a whole number of 64 bits",
        ),
        (
            step("fill", "price", parameters={"value": float("nan")}),
            r"\.parameters\.value: expected a number, found nan",
        ),
        (step("fill", "price", parameters={"value": 10**400}), r"\.parameters\.value: expected a number, found 1000"),
        (
            step("bins", "price", parameters={"edges": [1, 1]}),
            r"\.parameters\.edges: expected a list of ascending numbers",
        ),
        (
            step("bins", "price", parameters={"edges": [0, True]}),
            r"\.parameters\.edges\[1\]: expected a number, found True",
        ),
        (
            step("cyclic", "price", parameters={"period": 0}),
            r"\.parameters\.period: expected a number above 0, found 0",
        ),
        (
            {**step("missing", "price"), "name": "items"},
            r"\.name: expected a name of its own, found 'items', which the vector has",
        ),
        ({**step("missing", "price"), "name": "shop"}, r"\.name: .*found 'shop', by which models are parted"),
        ({**step("missing", "price"), "name": "label"}, r"\.name: .*found 'label', which is a column of training rows"),
    ],
)
def test_a_wrong_step_is_told_where_what_is_expected_and_what_was_found(wrong, said):
    later = {"name": "later", "strategy": "missing", "of": "price"}

    with pytest.raises(ConfigError, match=rf"^feature_sets\.order\.transform\[0\].*{said}"):
        compiled([wrong, later], models={"refund": MODEL})


def test_all_mistakes_are_told_at_once_and_each_only_once():
    wrong = [
        step("cyclic", "hour", parameters={"period": -1}),
        {"name": "on_it", "strategy": "logarithm", "of": "made_sin"},
        {"name": "on_it", "strategy": "logarithm", "of": "on_it"},
        {"name": "else", "strategy": "missing", "of": "prize"},
    ]
    with pytest.raises(ConfigError) as told:
        compiled(wrong)

    lines = str(told.value).splitlines()
    assert [line.split(":")[0].removeprefix("feature_sets.order.") for line in lines] == [
        *("transform[0].parameters.period", "transform[2].name", "transform[3].of[0]"),
    ]


def test_a_misspelt_key_of_a_step_is_told_with_the_valid_ones(tmp_path):
    (tmp_path / "project.yaml").write_text(yaml.safe_dump(settings([step("missing", "price", parameter={})])))

    with pytest.raises(
        ConfigError, match=r"order\.transform\.0\.parameter: expected one of description, .*mean 'parameters'"
    ):
        load_project(tmp_path)


def test_editors_are_told_of_steps():
    schema = Project.model_json_schema(by_alias=True)["$defs"]

    assert schema["FeatureSet"]["properties"]["transform"]["items"] == {"$ref": "#/$defs/Transform"}
    assert set(schema["Transform"]["required"]) == {"name", "of", "strategy"}
    assert [one["type"] for one in schema["Transform"]["properties"]["of"]["anyOf"]] == ["string", "array"]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("order.usual", ("float", 0, 900, "euros", ("buyer",), "fill of spent__price_mean_1h, value 20", "each event of topic shop.orders")),
        ("order.dearer", ("float", -900, 900, "euros", ("buyer",), "difference of price, usual", "the asking event, each event of topic shop.orders")),
        ("order.clock_cos", ("float", -1, 1, None, (), "cyclic of hour, period 24", "the asking event")),
        ("order.some", ("integer", 1, 5, "pieces", (), "clip of items, high 5", "the asking event")),
    ],
)  # fmt: skip
def test_the_catalogue_has_a_card_for_what_is_made(name, said):
    definition = compiled(STEPS, models={"refund": MODEL})
    card = card_of(definition, name)

    assert (card.type, card.low, card.high, card.unit, card.entity, card.formula, card.freshness) == said
    assert (card.owner, card.source, card.feature_sets, card.models) == ("sales", "orders", ("order",), ("refund",))
    assert card_of(definition, "order.dearer").description == "Above the usual."
    assert len(catalogue(definition)) == len(READ) + 5


OWN = """
import numpy as np
from lambda_core.features.transformations import Column, Transformation

class Product(Transformation):
    takes = 2
    endings = ("_times",)

    def apply(self, given):
        left, right = given
        return [Column(left.floats() * right.floats(), left.present & right.present)]

class Centred(Transformation):
    def apply(self, given):
        return [Column(given[0].floats() - given[0].floats().mean(), given[0].present)]

class Short(Transformation):
    def apply(self, given):
        return [Column(given[0].floats()[:1], given[0].present[:1])]

class Two(Transformation):
    def kinds(self, given):
        return ["float", "float"]

    def apply(self, given):
        return given

class Text(Two):
    def kinds(self, given):
        return ["string"]

class Nothing(Transformation):
    def apply(self, given):
        return None

class Abstract(Transformation):
    pass

class Other:
    pass
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "own_steps.py").write_text(OWN, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)


@pytest.mark.usefixtures("own")
def test_a_class_of_one_s_own_is_named_by_its_dotted_path():
    definition = compiled([step("own_steps.Product", ["price", "items"])])

    assert definition.vector_names("order") == [*READ, "made_times"]
    made = definition.series["order"]
    assert made.of_vector({"price": 2.5, "items": 3}) == {"made_times": 7.5}
    assert made.of_vector({"price": 1e308, "items": 10**9}) == {"made_times": None}  # no finite number


@pytest.mark.usefixtures("own")
def test_the_file_of_a_class_of_one_s_own_is_part_of_the_vectors_id(tmp_path, monkeypatch):
    def id_of(text: str) -> str:
        (tmp_path / "other_steps.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, "other_steps", raising=False)
        importlib.invalidate_caches()
        return compiled([step("other_steps.Product", ["price", "items"])]).feature_set_id("order")

    first = id_of(OWN)
    assert id_of(OWN) == first
    assert id_of(OWN.replace("left.floats() * right", "left.floats() / right")) != first


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "Centred",
            "expected Centred to look at each vector by itself, found that .* gives something else beside other vectors",
        ),
        ("Short", "expected Short to give one column a result, .* as long as what it is given"),
        (
            "Two",
            r"expected the `kinds` of Two to be integer or float, one a result \(made\); found \['float', 'float'\]",
        ),
        ("Text", r"expected the `kinds` of Text to be .*; found \['string'\]"),
        ("Nothing", "expected Nothing to work on float, found TypeError: .*NoneType"),
        (
            "Other",
            "expected a class derived from lambda_core.features.transformations.Transformation, found own_steps.Other",
        ),
    ],
)
def test_a_class_of_one_s_own_that_breaks_the_contract_is_refused_before_anything_runs(name, said):
    with pytest.raises(ConfigError, match=rf"feature_sets\.order\.transform\[0\]\.strategy: {said}"):
        compiled([step(f"own_steps.{name}", "price")])


@pytest.mark.usefixtures("own")
@pytest.mark.parametrize("name", ["own_steps.Abstract", "lambda_core.features.transformations.Transformation"])
def test_a_class_that_cannot_be_made_is_refused_with_its_place(name):
    with pytest.raises(ConfigError, match=rf"transform\[0\]: expected {name} to be made .*abstract method '?apply"):
        compiled([step(name, "price")])


TAKEN = {"price": 30, "items": 9, "hour": 6, "word": "new"}
VALUES = {"spent__count_1h": 2, "spent__price_mean_1h": 12.5, "spent__price_last_n_all": [1.5, 2.0]}
KEYS = {"spent": "ann"}


@pytest.mark.parametrize("rung", ["merged", "batch_only"])
def test_an_answer_has_what_is_made_behind_what_was_read(rung):
    definition = compiled(STEPS)
    answerer = Answerer(definition, KnownViews(definition, VALUES))

    answer = getattr(answerer, rung)(Question("order", 5, KEYS, TAKEN))

    assert answer.source == rung
    assert list(answer.values) == definition.vector_names("order")
    made = {name: answer.values[name] for name in ("usual", "dearer", "clock_sin", "some")}
    assert bits(made) == bits({"usual": 12.5, "dearer": 17.5, "clock_sin": 1.0, "some": 5})
    assert json.loads(msgspec.json.encode(answer))["values"]["some"] == 5


def test_without_views_what_is_made_of_windows_is_made_of_missing_values():
    definition = compiled(
        [*STEPS, step("missing", "spent__count_1h"), {**DEARER, "name": "raw", "of": ["price", "spent__count_1h"]}]
    )

    answer = Answerer(definition, KnownViews(definition, {})).without_views(
        "default", Question("order", 5, KEYS, TAKEN)
    )

    assert list(answer.values) == definition.vector_names("order")
    made = {name: answer.values[name] for name in ("usual", "dearer", "some", "made", "raw")}
    assert bits(made) == bits({"usual": 20.0, "dearer": 10.0, "some": 5, "made": 1, "raw": None})


def bits(values: dict) -> dict:
    return {name: repr(value) for name, value in values.items()}


@pytest.mark.parametrize(("name", "value"), [("items", 2.5), ("items", "3"), ("price", "dear"), ("hour", 2**63)])
def test_a_given_value_that_would_count_as_missing_is_refused(name, value):
    questions = Questions(compiled(STEPS))

    with pytest.raises(SchemaError, match=rf"^request\.{name}: expected (integer|float), found {value!r}"):
        questions.question("order", Asked({"buyer": "ann"}, {**TAKEN, name: value}), 5)


@pytest.mark.parametrize(("name", "value"), [("items", 3.0), ("items", None), ("price", 3), ("word", 7)])
def test_a_given_value_that_is_none_or_as_good_a_number_is_taken_as_it_is(name, value):
    question = Questions(compiled(STEPS)).question("order", Asked({"buyer": "ann"}, {name: value}), 5)

    assert question.request == {name: value}
