"""A model's split: what it is refused for, what is told of it, and that its table is what was recorded."""

import doctest
import importlib
import json
import sys

import pytest

from batch_layer.recorded_split import part_hash, recorded_split
from batch_layer.segregation import STRATEGIES, Strategy, segregate
from lambda_core.errors import ConfigError, DataError, GuardError
from lambda_core.schemas import tables
from tests.integration.batch_layer import shop

TEST_FROM_MS = 1_703_030_400_000  # 2023-12-20
TRAIN_FROM_MS = 1_700_006_400_000  # 2023-11-15


def training_table(context, rows):
    """Rows as (key, shop, t, label, when it was known, customer)."""
    schema = "prediction_key string, shop string, t_ms bigint, label int, label_known_ms bigint, customer string"
    frame = context.spark.createDataFrame(rows, schema)
    entities = "map('by_customer', customer, 'by_visit', concat(shop, '|', customer)) as entities"
    context.tables.replace(tables.training("order"), frame.selectExpr("*", entities).drop("customer"))


@pytest.fixture
def context(spark, tmp_path):
    return shop.context_of(spark, tmp_path, shop.plain(shop.new_name()))


def splitting(spark, folder, **split):
    """A context whose model is split so; always of the same project, whose state the folder is."""
    settings = shop.plain("shop")
    settings["models"]["refunds"]["split"] = split
    return shop.context_of(spark, folder, settings)


def rows_around_the_border():
    border, delay = TEST_FROM_MS, 2 * shop.DAY_MS
    moments = {
        "too early": TRAIN_FROM_MS - 1,
        "first": TRAIN_FROM_MS,
        "last to train": border - delay - 1,
        "embargoed": border - delay,
        "also embargoed": border - 1,
        "first to test": border,
    }
    rows = [(key, "north", t_ms, 1, t_ms + 1, "ann") for key, t_ms in moments.items()]
    more = [
        ("unlabelled", "north", TRAIN_FROM_MS + 5, None, None, "ann"),
        ("south", "south", border + 9, 0, border, "ann"),
    ]
    return [*rows, *more]


def orders(count=60, step_ms=shop.HOUR_MS, customers=20):
    """One row an hour: every customer asks again after twenty hours, long before a label two days old is known."""
    keys = [f"file/-1/{place}" for place in range(count)]
    return [
        (key, "north", place * step_ms, place % 3 % 2, place * step_ms + 9, f"c{place % customers}")
        for place, key in enumerate(keys)
    ]


def parts(context):
    return {row["prediction_key"]: row["split"] for row in context.tables.read(tables.split("refunds")).collect()}


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_every_strategy_is_shown_on_a_table(spark, name):
    module = importlib.import_module(STRATEGIES[name].__module__)

    shown = doctest.testmod(module, extraglobs={"spark": spark}, optionflags=doctest.NORMALIZE_WHITESPACE)

    assert shown.failed == 0
    assert shown.attempted >= 2


@pytest.mark.parametrize("name", ["drawing", "evenness", "leaks"])
def test_the_examples_of_what_strategies_share_show_what_it_does(name):
    assert doctest.testmod(importlib.import_module(f"batch_layer.segregation.{name}")).failed == 0


def test_the_past_trains_the_future_tests_and_what_is_between_does_neither(context):
    training_table(context, rows_around_the_border())
    report = segregate(context, "refunds")
    found = {row["prediction_key"]: row for row in context.tables.read(tables.split("refunds")).collect()}

    assert {key: row["split"] for key, row in found.items()} == {
        "first": "train", "last to train": "train", "embargoed": "embargo", "also embargoed": "embargo",
        "first to test": "test", "south": "test",
    }  # fmt: skip
    assert {row["split_id"] for row in found.values()} == {report.split_id}
    assert report.unlabelled == 1
    counted = {(count.split, count.partition): (count.rows, count.positives) for count in report.counts}
    assert counted == {
        ("train", "north"): (2, 2),
        ("embargo", "north"): (2, 2),
        ("test", "north"): (1, 1),
        ("test", "south"): (1, 0),
    }
    assert report.warnings == ("partition south: 0 training rows and 1 test rows; it needs both",)
    assert json.loads(context.tables.note(tables.split("refunds")))["warnings"] == list(report.warnings)


def test_the_id_names_the_rows_and_the_rule_and_the_hashes_what_is_in_them(context):
    training_table(context, rows_around_the_border())
    first, again = segregate(context, "refunds"), segregate(context, "refunds")
    training_table(context, list(reversed(rows_around_the_border())))
    same_rows = segregate(context, "refunds")
    training_table(context, [(*row[:3], 0, *row[4:]) if row[0] == "first" else row for row in rows_around_the_border()])
    other_label = segregate(context, "refunds")

    assert first.split_id == again.split_id != same_rows.split_id
    assert first.hashes == again.hashes == same_rows.hashes
    assert other_label.hashes["train"] != first.hashes["train"]
    assert other_label.hashes["test"] == first.hashes["test"]


def test_anyone_can_check_that_the_table_is_the_split_that_was_recorded(context):
    training_table(context, rows_around_the_border())
    report, name = segregate(context, "refunds"), tables.split("refunds")
    found = context.tables.read(name).collect()

    by_hand = {
        split: part_hash((row["prediction_key"], row["row_hash"]) for row in found if row["split"] == split)
        for split in ("train", "embargo", "test")
    }
    assert by_hand == report.hashes
    assert recorded_split(context, "refunds") == report.split_id

    noted = context.tables.note(name)
    for other in ("case prediction_key when 'first' then 'test' else split end", "'train'"):
        changed = context.spark.createDataFrame(found).selectExpr(
            "prediction_key", f"{other} split", "row_hash", "split_id"
        )
        context.tables.replace(name, changed, note=noted)
        with pytest.raises(DataError, match=f"expected the rows of split {report.split_id} as it was recorded"):
            recorded_split(context, "refunds")


def test_a_label_that_was_still_open_when_the_test_began_is_refused_and_nothing_recorded(context):
    late = ("late", "north", TEST_FROM_MS - 3 * shop.DAY_MS, 1, TEST_FROM_MS, "bob")
    training_table(context, [*rows_around_the_border(), late])

    with pytest.raises(GuardError, match="found 1 that were not"):
        segregate(context, "refunds")
    assert not context.tables.exists(tables.split("refunds"))


def test_a_split_without_rows_to_test_on_is_refused(context):
    training_table(context, [("first", "north", TRAIN_FROM_MS, 1, TRAIN_FROM_MS, "ann")])

    with pytest.raises(GuardError, match="found none for test"):
        segregate(context, "refunds")


def test_an_entity_on_both_sides_within_the_label_s_window_is_refused_with_figures(spark, tmp_path):
    split = {"strategy": "random", "parameters": {"train": 0.5}}
    context = splitting(spark, tmp_path, **split)
    training_table(context, orders())

    with pytest.raises(GuardError, match=r"entity customer: \d+ of \d+ training rows lie within .* \(172800000 ms\)"):
        segregate(context, "refunds")
    assert not context.tables.exists(tables.split("refunds"))

    told = segregate(splitting(spark, tmp_path, **split, entities=[]), "refunds")
    assert [warning for warning in told.warnings if warning.startswith("entity customer: ")]


def test_customers_that_ask_again_only_after_the_label_is_known_may_be_on_both_sides(spark, tmp_path):
    context = splitting(spark, tmp_path, strategy="random", parameters={"train": 0.5})
    training_table(context, orders(step_ms=shop.DAY_MS, customers=2))

    report = segregate(context, "refunds")

    assert not [warning for warning in report.warnings if "entity" in warning]


def test_of_an_entity_that_is_kept_apart_no_row_is_on_the_other_side(spark, tmp_path):
    context = splitting(spark, tmp_path, strategy="by_entity", parameters={"entity": "customer", "train": 0.6})
    rows = orders()
    training_table(context, rows)

    report = segregate(context, "refunds")

    found = parts(context)
    sides = {(row[5], found[row[0]]) for row in rows}
    assert len(sides) == len({customer for customer, _ in sides}) == 20
    assert not [warning for warning in report.warnings if "entity" in warning]


def test_rows_without_an_outcome_get_a_split_where_that_is_declared(spark, tmp_path):
    context = splitting(spark, tmp_path, strategy="in_sequence", parameters={"train": 0.5}, unlabelled=True)
    training_table(context, [(*row[:3], None, None, row[5]) for row in orders(200)])

    report = segregate(context, "refunds")

    assert {split: sum(c.rows for c in report.counts if c.split == split) for split in report.hashes} == {
        "train": 52, "embargo": 48, "test": 100,
    }  # fmt: skip
    assert (report.unlabelled, {count.labelled for count in report.counts}) == (200, {0})


class Twice(Strategy):
    """A class of one's own that gives each row two splits."""

    def __init__(self, delay_ms, wrong="test"):
        self._wrong = wrong

    def assign(self, rows):
        return rows.selectExpr("*", f"explode(array('train', '{self._wrong}')) as split")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [("test", "expected each row once from Twice, found file/.* 2 times"), ("holdout", "found holdout")],
)
def test_a_class_of_one_s_own_is_held_to_the_contract(spark, tmp_path, monkeypatch, wrong, said):
    monkeypatch.setattr(shop, "Twice", Twice, raising=False)
    own = f"{shop.__name__}.Twice"
    context = splitting(spark, tmp_path, strategy=own, parameters={"wrong": wrong})
    training_table(context, orders(5))

    with pytest.raises(GuardError, match=said):
        segregate(context, "refunds")


OWN = """
from batch_layer.segregation import Strategy

class Half(Strategy):
    def __init__(self, delay_ms):
        pass

    def assign(self, rows):
        return rows.selectExpr("*", "if(t_ms < 30 * 3600000, 'train', 'test') as split")
"""


def test_the_file_of_a_class_of_one_s_own_is_part_of_the_splits_id(spark, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)

    def id_of(text: str) -> str:
        (tmp_path / "own_split.py").write_text(text, encoding="utf-8")
        monkeypatch.delitem(sys.modules, "own_split", raising=False)
        importlib.invalidate_caches()
        context = splitting(spark, tmp_path / "state", strategy="own_split.Half", entities=[])
        if not context.tables.exists(tables.training("order")):
            training_table(context, orders())
        return segregate(context, "refunds").split_id

    first = id_of(OWN)
    assert id_of(OWN) == first
    assert id_of(OWN.replace("<", "<=")) != first


@pytest.mark.parametrize(
    ("split", "said"),
    [
        ({"strategy": "by_luck"}, r"models\.refunds\.split\.strategy: expected one of by_entity, by_time, .*'by_luck'"),
        (
            {"strategy": "random", "parameters": {"shuffle": True}},
            r"expected those of random \(train, seed\), found shuffle",
        ),
        ({"strategy": "by_entity", "parameters": {"entity": "shop"}}, r"is about \(customer\); found 'shop'"),
        (
            {"strategy": "stratified", "parameters": {"by": ["colour"]}},
            "expected columns out of .*label.*; found colour",
        ),
    ],
)
def test_unknown_parameters_strategies_entities_and_columns_are_named(spark, tmp_path, split, said):
    context = splitting(spark, tmp_path, **split)
    training_table(context, orders(2))

    with pytest.raises(ConfigError, match=said):
        segregate(context, "refunds")
