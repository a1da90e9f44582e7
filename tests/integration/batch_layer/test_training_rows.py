import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import pytest

from batch_layer.modelling import labelled_rows
from batch_layer.preparation.no_future import no_future_check
from batch_layer.preparation.training_rows import TrainingRowsReport, build_training_rows, training_rows
from lambda_core.context import RunContext
from lambda_core.errors import ConfigError, GateError, GuardError
from lambda_core.features.keys import entity_key
from lambda_core.schemas import tables
from lambda_core.views.answering import Answerer, Question
from tests.integration.batch_layer import shop
from tests.laws import oracle
from tests.laws.known import KnownViews

TRANSFORM = [
    {"name": "amount_so_far", "strategy": "fill", "of": "by_customer__amount_sum_3d", "parameters": {"value": 0}},
    {"name": "of_the_most", "strategy": "ratio", "of": ["by_customer__amount_mean_3d", "by_customer__amount_max_3d"]},
    {"name": "more_items", "strategy": "difference", "of": ["size", "by_customer__items_max_30d"]},
    {"name": "weight_size", "strategy": "logarithm", "of": "by_customer__weight_sum_20d"},
    {"name": "size_bin", "strategy": "bins", "of": "more_items", "parameters": {"edges": [-20, -5, 0.5, 5]}},
    {"name": "week", "strategy": "cyclic", "of": "by_customer__count_30d", "parameters": {"period": 7}},
    {"name": "sizeless", "strategy": "missing", "of": "size"},
    {"name": "few", "strategy": "clip", "of": "by_customer__count_1d", "parameters": {"low": 1, "high": 2}},
]
"""Every strategy, over windowed and request features and over one another, integers and doubles."""


@dataclass
class World:
    """A context whose orders and refunds are prepared, with its training rows written."""

    context: RunContext
    rows: list[dict]
    refunds: list[dict]
    report: TrainingRowsReport
    found: list[dict]
    columns: list[str]

    @property
    def by_append(self) -> bool:
        return self.context.project.sources["orders"].known_by == "append_time"

    def found_in(self, frame) -> list[dict]:
        return found_rows(frame, self.rows)


@pytest.fixture(scope="module")
def worlds(spark, tmp_path_factory) -> Callable[[str], World]:
    """The world whose sources know their events by this time, made when it is first asked for."""

    @cache
    def made(known_by: str) -> World:
        settings = shop.declared(shop.new_name(), known_by)
        settings["feature_sets"]["order"]["transform"] = TRANSFORM
        context = shop.context_of(spark, tmp_path_factory.mktemp("tables"), settings)
        rows = shop.orders(seed=7)
        shop.write(context, rows)
        refunds = [
            {**row, "items": place % 2 if place % 5 else None, "event_time_ms": row["event_time_ms"] + shop.DAY_MS}
            for place, row in enumerate(rows)
            if place % 3 and row["duplicate"] is None
        ]
        later = [
            {**row, "event_time_ms": row["event_time_ms"] + 5, "items": 7, "offset": 10_000} for row in refunds[:9]
        ]
        shop.write(context, refunds + later, "refunds")
        report = build_training_rows(context, "order")
        written = context.tables.read(tables.training("order"), report.version)
        return World(context, rows, refunds, report, found_rows(written, rows), written.columns)

    return made


@pytest.fixture(params=["event_time", "append_time"])
def world(request, worlds) -> World:
    """Each of both worlds."""
    return worlds(request.param)


@pytest.fixture
def late_world(worlds) -> World:
    """The one in which an event counts when it was known: all that the other one has, and more to go by."""
    return worlds("append_time")


def assert_vector(context, row, rows, by_append):
    for name in ("by_customer", "by_visit"):
        group = context.definition.groups[name]
        entity = tuple(row[key] for key in group.key_columns)
        events = [e for e in shop.events_of(rows, group.key_columns) if None not in entity and e.entity == entity]
        for feature in group.features:
            ask = shop.ask_of(group, feature)
            known = (lambda event: event.append_ms <= row["t_ms"]) if by_append else (lambda _: True)
            expected, found = oracle.value(ask, events, row["t_ms"], known), row["vector"][feature.name]
            if oracle.is_floating(ask, expected):
                counted = [event for event in oracle.in_window(events, ask, row["t_ms"]) if known(event)]
                size = oracle.magnitude(ask, counted, row["t_ms"])
                assert math.isclose(found, expected, rel_tol=0, abs_tol=1e-9 * max(size, 1e-9)), feature.name
            else:
                assert found == expected, (feature.name, row["t_ms"], found, expected)


def found_rows(frame, rows):
    """Training rows with the asking order's own columns, and the vector apart."""
    places = {(row["partition"], row["offset"]): row for row in rows}
    answer = []
    for found in frame.collect():
        partition, offset = found["prediction_key"].split("/")[-2:]
        asking = places[int(partition), int(offset)]
        answer.append({**asking, "t_ms": found["t_ms"], "vector": found.asDict(), "key": found["prediction_key"]})
    return answer


def test_every_row_is_the_batch_formula_over_what_was_before_t_and_known(world):
    asking = [row for row in world.rows if row["duplicate"] is None and (row["amount"] is None or row["amount"] >= 0)]

    assert world.report.rows == len(world.found) == len(asking)
    for row in random.Random(1).sample(world.found, 120):
        assert row["t_ms"] == row["event_time_ms"]
        assert row["vector"]["size"] == (None if row["items"] is None else row["items"] * 2)
        assert row["vector"]["shop"] == row["shop"]
        assert row["vector"]["entities"] == {
            name: entity_key([row[column] for column in world.context.definition.groups[name].key_columns])
            for name in ("by_customer", "by_visit")
        }
        assert_vector(world.context, row, world.rows, world.by_append)


def test_what_is_made_of_a_rows_values_is_what_an_answer_makes_of_them_to_the_last_bit(world):
    definition = world.context.definition
    names, made = definition.vector_names("order"), list(definition.series["order"].kinds)

    assert world.columns[-2 - len(names) : -2] == names
    for row in world.found:
        values = {name: row["vector"][name] for name in names}
        question = Question("order", row["t_ms"], dict(row["vector"]["entities"]), {"size": values["size"]})
        answer = Answerer(definition, KnownViews(definition, values)).merged(question)
        assert [repr(answer.values[name]) for name in made] == [repr(values[name]) for name in made]
    for name in made:  # some of each are there, some values are missing: nothing is equal for want of values
        assert len({repr(row["vector"][name]) for row in world.found}) > 1
    by_hand = [0 if row["items"] is None else 1 for row in world.found]
    assert [1 - row["vector"]["sizeless"] for row in world.found] == by_hand


def test_a_row_has_the_first_outcome_that_says_something_and_when_it_was_told(late_world):
    told = {row["id"]: row for row in late_world.refunds if row["items"] is not None}

    for row in late_world.found:
        outcome = told.get(row["id"])
        if outcome is None and row["vector"]["label"] == 7:
            continue  # the first copy said nothing, the later one did
        assert row["vector"]["label"] == (outcome["items"] if outcome else None)
        assert row["vector"]["label_known_ms"] == (outcome["event_time_ms"] if outcome else None)


def test_a_span_of_askers_gets_the_rows_that_all_of_them_would_get(late_world):
    begin, end = shop.T0 + 20 * shop.DAY_MS, shop.T0 + 30 * shop.DAY_MS

    found = late_world.found_in(training_rows(late_world.context, "order", begin, end))

    assert {row["key"] for row in found} == {row["key"] for row in late_world.found if begin <= row["t_ms"] < end}
    for row in found:
        assert_vector(late_world.context, row, late_world.rows, late_world.by_append)


def test_rows_written_from_a_moment_on_take_the_place_of_those_alone(late_world):
    context, name, begin = late_world.context, tables.training("order"), shop.T0 + 20 * shop.DAY_MS
    whole = late_world.report
    earlier = context.tables.read(name, whole.version).where(f"t_ms < {begin}")
    context.tables.replace(name, earlier)  # as it was before the newer events came

    part = build_training_rows(context, "order", from_ms=begin)

    assert part.version == whole.version + 2
    assert part.rows == whole.rows > earlier.count() > 0
    found = late_world.found_in(context.tables.read(name, part.version))
    assert {row["key"]: row["vector"] for row in found} == {row["key"]: row["vector"] for row in late_world.found}


def test_rows_of_other_steps_are_neither_learnt_from_nor_written_beside(spark, late_world):
    settings = shop.declared(late_world.context.project.project, "append_time")
    settings["feature_sets"]["order"]["transform"] = [*TRANSFORM[:-1], {**TRANSFORM[-1], "parameters": {"high": 3}}]
    other = shop.context_of(spark, late_world.context.environment.state, settings)

    assert other.definition.id == late_world.context.definition.id
    with pytest.raises(
        GuardError, match=r"expected rows of vector \w{16}, as order is declared, found those of \w{16}"
    ):
        labelled_rows(other, "refunds", "train")
    with pytest.raises(GuardError, match="to write others beside"):
        build_training_rows(other, "order", from_ms=shop.T0)


def test_another_future_changes_nothing(world):
    report = no_future_check(world.context, "order", rows=100)

    assert report.rows > 50
    assert report.values > 50 * 20
    assert report.differences == 0


def test_keys_name_the_file_or_the_topic(late_world):
    topic = late_world.context.project.sources["orders"].topic

    assert {row["key"].rsplit("/", 1)[0] for row in late_world.found} == {"file/-1", f"{topic}/0", f"{topic}/1"}


@pytest.mark.parametrize("source", ["orders", "refunds"])
def test_no_rows_are_made_of_a_source_that_misses_what_is_expected_of_it(spark, tmp_path, source):
    settings = shop.declared("shop_gate")
    expected = {"expect": "column_values_to_be_between", "arguments": {"column": "items", "max_value": 7}}
    settings["sources"] = {**settings["sources"], source: {**settings["sources"][source], "expectations": [expected]}}
    context = shop.context_of(spark, tmp_path, settings)
    for one in ("orders", "refunds"):
        shop.write(context, [{**row, "items": 8} for row in shop.orders(1, 5)], one)

    with pytest.raises(GateError, match=f"source {source}: expected column_values_to_be_between of items"):
        build_training_rows(context, "order")
    assert not context.tables.exists(tables.training("order"))


def test_two_labels_for_one_vector_are_refused(spark, tmp_path):
    settings = shop.declared("shop_two_labels")
    settings["labels"]["other"] = settings["labels"]["refunded"]
    settings["models"]["second"] = {**settings["models"]["refunds"], "label": "other"}
    context = shop.context_of(spark, tmp_path, settings)
    shop.write(context, shop.orders(1, 5))

    with pytest.raises(ConfigError, match="expected one label"):
        training_rows(context, "order")
