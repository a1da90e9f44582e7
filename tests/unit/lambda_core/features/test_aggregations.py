"""Tables of cases, one row a case: what each aggregation answers, in the column's own unit."""

import pytest

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations import AGGREGATIONS, Moment, Number

WHOLE, MONEY, REAL, WORD = Number("integer"), Number("decimal", 2), Number("float"), Number("string")


def answer(name, number, values):
    """The aggregation over values at the moments 0, 1, 2, ..."""
    aggregation = AGGREGATIONS[name](number)
    state = aggregation.zero()
    for offset, value in enumerate(values):
        state = aggregation.update(state, value, Moment(offset, 0, offset))
    return aggregation.finish(aggregation.decode(aggregation.encode(state)))


@pytest.mark.parametrize(
    ("name", "number", "values", "expected"),
    [
        ("count", WHOLE, [], 0),
        ("count", WHOLE, [None, None], 0),
        ("count", WORD, ["", None, "x"], 2),
        ("sum", WHOLE, [], None),
        ("sum", WHOLE, [None], None),
        ("sum", WHOLE, [0], 0),
        ("sum", WHOLE, [2**53, 1], 2**53 + 1),
        ("sum", MONEY, [1050, -25], 10.25),
        ("sum", MONEY, [10, 20], 0.3),
        ("sum", REAL, [0.5, 0.25], 0.75),
        ("mean", WHOLE, [None], None),
        ("mean", WHOLE, [1, None, 2], 1.5),
        ("mean", MONEY, [1, 2], 0.015),
        ("mean", REAL, [1.0, 2.0], 1.5),
        ("variance", WHOLE, [5], None),
        ("variance", WHOLE, [5, 5], 0.0),
        ("variance", WHOLE, [2, 4, 9], 13.0),
        ("variance", WHOLE, [10**9 + 2, 10**9 + 4, 10**9 + 9], 13.0),
        ("variance", MONEY, [200, 400, 900], 13.0),
        ("variance", REAL, [2.0, 4.0, 9.0], 13.0),
        ("variance", REAL, [1.0], None),
        ("min", WHOLE, [], None),
        ("min", WHOLE, [3, -2, None], -2),
        ("max", WHOLE, [3, -2, None], 3),
        ("max", MONEY, [-250, None], -2.5),
        ("min", REAL, [-0.0], 0.0),
        ("latest", WHOLE, [None], None),
        ("latest", WHOLE, [1, 2, None], 2),
        ("latest", WORD, ["a", ""], ""),
        ("latest", WORD, ["a", "!"], "!"),
        ("latest", MONEY, [199], 1.99),
        ("latest", REAL, [1e-300], 1e-300),
    ],
)
def test_the_answer_is_in_the_columns_own_unit(name, number, values, expected):
    found = answer(name, number, values)
    assert found == expected
    assert type(found) is type(expected)
    assert str(found) != "-0.0"


@pytest.mark.parametrize(
    ("name", "number", "values"),
    [
        ("sum", WHOLE, [2**63 - 1, 1]),
        ("sum", WHOLE, [-(2**63), -1]),
        ("mean", WHOLE, [2**63 - 1, 1]),
        ("sum", MONEY, [2**63 - 1, 1]),
        ("variance", WHOLE, [2**63 - 1, 2**63 - 1]),
        ("sum", REAL, [1e308, 1e308]),
        ("mean", REAL, [1e308, 1e308]),
        ("variance", REAL, [1e200, -1e200]),
    ],
)
def test_what_left_its_range_is_an_error_and_never_a_number(name, number, values):
    with pytest.raises(OverflowStateError, match=name):
        answer(name, number, values)


@pytest.mark.parametrize("values", [[2**63 - 1], [-(2**63)], [2**63 - 1, 1, -1]])
def test_all_of_64_bits_is_inside_the_range(values):
    assert answer("sum", WHOLE, values) == sum(values)


def test_an_overflow_absorbs_whatever_is_merged_with_it():
    total = AGGREGATIONS["sum"](WHOLE)
    assert total.merge(total.decode(["!"]), (-(10**37),)) == ("!",)
    assert total.merge((10**38 - 1,), (1,)) == ("!",)
    floating = AGGREGATIONS["sum"](REAL)
    assert floating.encode(floating.merge(floating.decode(["!"]), (-1e308,))) == ["!"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        (Moment(1, 9, 9), Moment(2, 0, 0)),
        (Moment(1, 0, 9), Moment(1, 1, 0)),
        (Moment(1, 1, 3), Moment(1, 1, 4)),
        (Moment(1, 1, 9), Moment(1, 1, 10)),
        (Moment(9, 0, 0), Moment(10, 0, 0)),
    ],
)
def test_ties_of_latest_are_broken_by_event_time_then_partition_then_offset(earlier, later):
    latest = AGGREGATIONS["latest"](WORD)
    old, new = latest.lift("old", earlier), latest.lift("new", later)
    assert latest.finish(latest.merge(old, new)) == latest.finish(latest.merge(new, old)) == "new"


@pytest.mark.parametrize("name", sorted(AGGREGATIONS))
@pytest.mark.parametrize("number", [WHOLE, MONEY, REAL], ids=lambda number: number.name)
def test_plan_components_and_sql_agree_on_their_width(name, number):
    aggregation = AGGREGATIONS[name](number)
    widths = {"chan": 3, "latest": 4}
    assert sum(widths.get(operator, 1) for operator in aggregation.plan) == len(aggregation.components)
    assert len(aggregation.aggregate_sql("x")) == len(aggregation.lift_sql("x")) == len(aggregation.components)
    assert aggregation.encode(None) == [""] * len(aggregation.components)
