"""What is told of quarantined records in one line of the log."""

from __future__ import annotations

from batch_layer.preparation.placing import frequent_reasons


def test_the_most_frequent_reasons_are_told_whatever_was_found(spark):
    year, price = "year: expected an integer of 64 bits, found '{}'", "price: expected 0 to 9 euro, found {}"
    reasons = [
        [year.format("V")],
        [year.format("x, found y")],
        [price.format(10), year.format("V")],
        ["id: one"],
        ["a: two"],
    ]
    quarantined = spark.createDataFrame([(one,) for one in reasons], "reasons array<string>")

    assert frequent_reasons(quarantined, most=3) == [
        "3 times year: expected an integer of 64 bits",
        "1 times a: two",
        "1 times id: one",
    ]
