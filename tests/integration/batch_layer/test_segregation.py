import pytest

from batch_layer.segregation import ByTime, segregate
from lambda_core.errors import ConfigError, GuardError
from lambda_core.schemas import tables
from tests.integration.batch_layer import shop

TEST_FROM_MS = 1_703_030_400_000  # 2023-12-20
TRAIN_FROM_MS = 1_700_006_400_000  # 2023-11-15


def training_table(context, rows):
    """Rows as (key, shop, t, label, when it was known)."""
    schema = "prediction_key string, shop string, t_ms bigint, label int, label_known_ms bigint"
    context.tables.replace(tables.training("order"), context.spark.createDataFrame(rows, schema))


@pytest.fixture
def context(spark, tmp_path):
    return shop.context_of(spark, tmp_path)


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
    rows = [(key, "north", t_ms, 1, t_ms + 1) for key, t_ms in moments.items()]
    return [*rows, ("unlabelled", "north", TRAIN_FROM_MS + 5, None, None), ("south", "south", border + 9, 0, border)]


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


def test_the_id_names_the_rows_and_the_rule(context):
    training_table(context, rows_around_the_border())
    first, again = segregate(context, "refunds"), segregate(context, "refunds")
    training_table(context, rows_around_the_border())
    other_rows = segregate(context, "refunds")

    assert first.split_id == again.split_id != other_rows.split_id


def test_a_label_that_was_still_open_when_the_test_began_is_refused(context):
    late = ("late", "north", TEST_FROM_MS - 3 * shop.DAY_MS, 1, TEST_FROM_MS)
    training_table(context, [*rows_around_the_border(), late])

    with pytest.raises(GuardError, match="found 1 that were not"):
        segregate(context, "refunds")


def test_a_split_without_rows_to_test_on_is_refused(context):
    training_table(context, [("first", "north", TRAIN_FROM_MS, 1, TRAIN_FROM_MS)])

    with pytest.raises(GuardError, match="found none for test"):
        segregate(context, "refunds")


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"train_from": "2024-01-01", "test_from": "2024-01-02"}, "no row would be left"),
        ({"train_from": "soon", "test_from": "2024-01-02"}, "expected a moment"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(parameters, message):
    with pytest.raises(ConfigError, match=message):
        ByTime(2 * shop.DAY_MS, **parameters)


def test_unknown_parameters_and_strategies_are_named(spark, tmp_path):
    settings = shop.declared("shop_strategies")
    settings["models"]["refunds"]["split"]["parameters"]["shuffle"] = True
    settings["models"]["other"] = {**settings["models"]["refunds"], "split": {"strategy": "by_luck"}}
    context = shop.context_of(spark, tmp_path, settings)

    with pytest.raises(ConfigError, match="shuffle"):
        segregate(context, "refunds")
    with pytest.raises(ConfigError, match="by_luck"):
        segregate(context, "other")
