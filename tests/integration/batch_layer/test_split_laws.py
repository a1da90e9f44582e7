"""Laws of splits, beside oracles that look at every pair of rows.

One drawn world has many small ones in it, told apart by their entities' keys, so that one job shows hundreds of cases.
"""

import math
import random

import pytest

from batch_layer.segregation import STRATEGIES
from batch_layer.segregation.drawing import lot
from batch_layer.segregation.leaks import crossings, open_labels

DELAY_MS = 4
HOURS = 3_600_000
SCHEMA = (
    "prediction_key string, t_ms bigint, label int, label_known_ms bigint, shop string, entities map<string,string>, "
    "split string"
)


def world(seed, worlds=200, span=14):
    """Rows of a few moments, so that ties are common; outcomes mostly come in time, some never, some late."""
    draw = random.Random(seed)
    rows = []
    for number in range(worlds):
        for place in range(draw.randrange(1, 6)):
            t_ms = draw.randrange(span)
            known_ms = draw.choice([None, t_ms, t_ms + 1, t_ms + DELAY_MS, t_ms + 3 * DELAY_MS])
            buyer = draw.choice([f"b{number}", f"b{number}", f"c{number}", None])
            row = {"prediction_key": f"k{number}/{place}", "t_ms": t_ms, "label_known_ms": known_ms}
            row |= {
                "label": None if known_ms is None else draw.randrange(2),
                "shop": draw.choice(["north", "south", None]),
            }
            row |= {
                "entities": {"buyer": buyer, "shop": None},
                "split": draw.choice(["train", "train", "test", "embargo"]),
            }
            rows.append(row)
    draw.shuffle(rows)
    return rows


def frame(spark, rows, partitions=3):
    names = [field.split()[0] for field in SCHEMA.split(", ")]
    return spark.createDataFrame([tuple(row[name] for name in names) for row in rows], SCHEMA).repartition(partitions)


def assigned(spark, strategy, rows, partitions=3):
    found = strategy.assign(frame(spark, rows, partitions).drop("split")).select("prediction_key", "split").collect()
    assert len(found) == len(rows)
    return {row["prediction_key"]: row["split"] for row in found}


def leaks(train, test, delay_ms):
    """The rule, of one pair of rows of one entity."""
    if train["t_ms"] > test["t_ms"]:
        return train["t_ms"] < test["t_ms"] + delay_ms
    known_ms = train["label_known_ms"]
    open_then = test["t_ms"] < train["t_ms"] + delay_ms
    return open_then or (known_ms is not None and known_ms >= test["t_ms"])


def first_share(rows, share, order):
    """The keys of the first share in an order, rounded to the nearest row."""
    ordered = sorted(rows, key=order)
    return {row["prediction_key"] for row in ordered[: math.floor(len(ordered) * share + 0.5)]}


@pytest.mark.parametrize(("seed", "delay_ms", "worlds"), [(1, DELAY_MS, 200), (2, DELAY_MS, 200), (3, 0, 800)])
def test_what_leaks_is_found_as_by_looking_at_every_pair_of_rows(spark, seed, delay_ms, worlds):
    rows = world(seed, worlds)
    sides = {side: [row for row in rows if row["split"] == side] for side in ("train", "test")}
    mine = [row for row in sides["train"] if row["entities"]["buyer"] is not None]
    expected = [
        row
        for row in mine
        if any(
            leaks(row, other, delay_ms)
            for other in sides["test"]
            if other["entities"]["buyer"] == row["entities"]["buyer"]
        )
    ]

    found = crossings(frame(spark, rows), delay_ms)

    assert 20 < len(expected) < len(mine) - 20
    assert [(one.entity, one.rows, one.leaks) for one in found] == [("buyer", len(mine), len(expected))]


def test_labels_that_were_open_when_the_test_began_are_counted_as_by_looking_at_every_row(spark):
    rows, begin_ms = world(4), 9
    open_then = [
        row["label_known_ms"]
        for row in rows
        if row["split"] == "train"
        and (row["t_ms"] + DELAY_MS > begin_ms or (row["label_known_ms"] or begin_ms - 1) >= begin_ms)
    ]

    assert any(row["t_ms"] + DELAY_MS == begin_ms for row in rows if row["split"] == "train")
    assert open_labels(frame(spark, rows), begin_ms, DELAY_MS) == (
        len(open_then),
        max(known_ms for known_ms in open_then if known_ms is not None),
    )


@pytest.mark.parametrize(
    ("name", "parameters", "drawn_by"),
    [
        ("random", {}, lambda row: row["prediction_key"]),
        (
            "by_entity",
            {"entity": "buyer"},
            lambda row: (
                f"r{row['prediction_key']}" if row["entities"]["buyer"] is None else f"e{row['entities']['buyer']}"
            ),
        ),
    ],
)
def test_a_row_s_split_is_its_own_lot_whatever_other_rows_there_are(spark, name, parameters, drawn_by):
    rows = world(3)
    strategy = STRATEGIES[name](delay_ms=DELAY_MS, train=0.6, seed=11, **parameters)

    whole, some = assigned(spark, strategy, rows), assigned(spark, strategy, rows[::-2], partitions=1)

    assert whole == {row["prediction_key"]: "train" if lot(11, drawn_by(row)) < 0.6 else "test" for row in rows}
    assert some == {key: whole[key] for key in some}
    assert 0.5 < sum(split == "train" for split in whole.values()) / len(whole) < 0.7


def test_of_an_entity_kept_apart_no_row_is_on_the_other_side(spark):
    rows = world(4)
    found = assigned(spark, STRATEGIES["by_entity"](delay_ms=DELAY_MS, entity="buyer", train=0.5), rows)

    sides = {}
    for row in rows:
        if row["entities"]["buyer"] is not None:
            sides.setdefault(row["entities"]["buyer"], set()).add(found[row["prediction_key"]])
    assert {len(side) for side in sides.values()} == {1}
    assert set().union(*sides.values()) == {"train", "test"}


@pytest.mark.parametrize("share", [0.5, 0.77])
def test_shuffled_rows_are_split_exactly_in_the_order_of_their_lots(spark, share):
    rows = world(5)
    strategy = STRATEGIES["shuffled"](delay_ms=DELAY_MS, train=share, seed=2)

    found = assigned(spark, strategy, rows)

    trains = first_share(rows, share, lambda row: (lot(2, row["prediction_key"]), row["prediction_key"]))
    assert {key for key, split in found.items() if split == "train"} == trains
    assert assigned(spark, strategy, rows[::-1], partitions=2) == found


def test_every_stratum_is_split_exactly_nulls_too(spark):
    rows = world(6)
    found = assigned(spark, STRATEGIES["stratified"](delay_ms=DELAY_MS, train=0.7, by=["label", "shop"], seed=5), rows)

    expected = set()
    for stratum in {(row["label"], row["shop"]) for row in rows}:
        mine = [row for row in rows if (row["label"], row["shop"]) == stratum]
        expected |= first_share(mine, 0.7, lambda row: (lot(5, row["prediction_key"]), row["prediction_key"]))
    assert len({(row["label"], row["shop"]) for row in rows}) == 9
    assert {key for key, split in found.items() if split == "train"} == expected


@pytest.mark.parametrize("scale", [1, HOURS])
def test_in_sequence_the_test_begins_behind_the_share_and_no_training_label_reaches_it(spark, scale):
    rows = [{**row, "t_ms": row["t_ms"] * scale - 5 * scale} for row in world(7)]
    delay_ms = DELAY_MS * scale
    found = assigned(spark, STRATEGIES["in_sequence"](delay_ms=delay_ms, train=0.6), rows)

    ordered = sorted(rows, key=lambda row: (row["t_ms"], row["prediction_key"]))
    border_ms = ordered[math.floor(len(rows) * 0.6 + 0.5)]["t_ms"]
    for row in rows:
        until_ms = row["t_ms"] + delay_ms
        expected = "test" if row["t_ms"] >= border_ms else "embargo" if until_ms >= border_ms else "train"
        assert found[row["prediction_key"]] == expected
    assert set(found.values()) == {"train", "embargo", "test"}


def test_by_time_no_training_label_reaches_the_test(spark):
    rows = world(8)
    moments = {"train_from": "1970-01-01T00:00:00.002", "test_from": "1970-01-01T00:00:00.009"}
    found = assigned(spark, STRATEGIES["by_time"](delay_ms=DELAY_MS, **moments), rows)

    sides = {
        split: [row["t_ms"] for row in rows if found[row["prediction_key"]] == split] for split in ("train", "test")
    }
    assert (min(sides["train"]), max(sides["train"]) + DELAY_MS, min(sides["test"])) == (2, 8, 9)
