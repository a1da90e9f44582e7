"""Tables of cases, one row a case: what each aggregation answers, in the column's own unit."""

import pytest

from lambda_core.errors import OverflowStateError
from lambda_core.features.aggregations import AGGREGATIONS, Moment, Number, operator_width
from tests.laws.kinds import kinds_over

WHOLE, MONEY, REAL, WORD = Number("integer"), Number("decimal", 2), Number("float"), Number("string")


def answer(name, number, values, t_ms=0, **settings):
    """The aggregation over values at the moments 0, 1, 2, ..., asked for at t."""
    aggregation = AGGREGATIONS[name](number, **settings)
    state = aggregation.zero()
    for offset, value in enumerate(values):
        state = aggregation.update(state, value, Moment(offset, 0, offset))
    return aggregation.finish(aggregation.decode(aggregation.encode(state)), t_ms)


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
        ("first", WHOLE, [None], None),
        ("first", WHOLE, [None, 2, 1], 2),
        ("first", WORD, ["", "a"], ""),
        ("first", MONEY, [199, 5], 1.99),
        ("stddev", WHOLE, [5], None),
        ("stddev", WHOLE, [5, 5], 0.0),
        ("stddev", WHOLE, [1, 5, 9], 4.0),
        ("stddev", MONEY, [100, 500, 900], 4.0),
        ("stddev", REAL, [1.0, 5.0, 9.0], 4.0),
        ("share", WHOLE, [], None),
        ("share", WHOLE, [None], None),
        ("share", WHOLE, [1, None, 0, 1], 2 / 3),
        ("distinct", WORD, [], 0),
        ("distinct", WORD, [None], 0),
        ("distinct", WORD, ["a", "", "a", "A"], 3),
        ("distinct", WHOLE, [-1, 1, -1], 2),
        ("distinct", MONEY, [100, 1], 2),
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


@pytest.mark.parametrize(
    ("name", "number", "values", "settings", "expected"),
    [
        ("latest", WHOLE, [4, None], {"expiry_ms": 9}, None),
        ("latest", WHOLE, [4, None], {"expiry_ms": 10}, 4),
        ("latest", WHOLE, [3, 4], {"expiry_ms": 0}, None),
        ("last_n", WHOLE, [], {"last": 2}, None),
        ("last_n", WHOLE, [1, None, 2, 3], {"last": 2}, [3, 2]),
        ("last_n", MONEY, [199], {"last": 2}, [1.99]),
        ("last_n", WORD, ["", "", "!"], {"last": 3}, ["!", "", ""]),
        ("last_n", WHOLE, [1, 2, 3], {"last": 3, "expiry_ms": 8}, [3]),
        ("last_n", WHOLE, [1, 2, 3], {"last": 3, "expiry_ms": 7}, None),
        ("histogram", WHOLE, [], {"bins": (0, 1)}, None),
        ("histogram", WHOLE, [-1, 0, 1, None], {"bins": (0, 1)}, [1, 1, 1]),
        ("histogram", MONEY, [9, 10, 11], {"bins": (0.1, 0.105)}, [1, 1, 1]),
        ("histogram", REAL, [-0.0, 1e308], {"bins": (0, 1)}, [0, 1, 1]),
        ("histogram", WORD, ["a", "A", "it's"], {"categories": ("a", "it's")}, [1, 1, 1]),
        ("histogram", WHOLE, [1, 2], {"categories": (2, 7)}, [1, 0, 1]),
        ("shares", WHOLE, [None], {"bins": (0, 1), "cell": 1}, None),
        ("shares", WHOLE, [0, 5], {"bins": (0, 1), "cell": 1}, 0.5),
        ("quantiles", WHOLE, [], {"bins": (0, 10)}, None),
        ("quantiles", WHOLE, [3, 3], {"bins": (0, 10), "quantile": 0.0}, 0.0),
        ("quantiles", WHOLE, [3, 3], {"bins": (0, 10), "quantile": 1.0}, 10.0),
        ("quantiles", WHOLE, [3, 3], {"bins": (0, 10, 20), "quantile": 0.5}, 5.0),
        ("quantiles", WHOLE, [3, 25], {"bins": (0, 10, 20, 30), "quantile": 0.5}, 10.0),
        ("quantiles", WHOLE, [-9, 3], {"bins": (0, 10), "quantile": 0.5}, 0.0),
        ("quantiles", WHOLE, [3, 99], {"bins": (0, 10), "quantile": 1.0}, 10.0),
        ("decayed_sum", WHOLE, [], {"half_life_ms": 1}, None),
        ("decayed_sum", WHOLE, [8], {"half_life_ms": 5}, 2.0),
        ("decayed_sum", MONEY, [200], {"half_life_ms": 10}, 1.0),
        ("decayed_sum", REAL, [-8.0], {"half_life_ms": 5}, -2.0),
        ("decayed_sum", WHOLE, [8], {"half_life_ms": 5, "expiry_ms": 9}, None),
        ("decayed_sum", WHOLE, [0], {"half_life_ms": 5}, 0.0),
    ],
)
def test_settings_decide_what_is_answered_at_the_tenth_millisecond(name, number, values, settings, expected):
    found = answer(name, number, values, t_ms=10, **settings)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize("precision", [4, 10, 12])
def test_the_number_of_distinct_values_is_as_near_as_it_says(precision):
    distinct = AGGREGATIONS["distinct"](WHOLE, precision=precision)
    state, error = distinct.zero(), 1.04 / 2 ** (precision / 2)
    for value in range(10_000):
        state = distinct.update(state, value % 5_000, Moment(value, 0, value))
        if value + 1 in (10, 100, 1_000, 5_000, 10_000):
            assert abs(distinct.finish(state) / min(value + 1, 5_000) - 1) < 4 * error
    assert len(state[0]) == 2**precision


def test_registers_that_are_full_keep_the_greatest_rank_in_any_order():
    distinct = AGGREGATIONS["distinct"](WHOLE, precision=8)
    forth, back = distinct.zero(), distinct.zero()
    for value in range(1_000):
        forth = distinct.update(forth, value, Moment(value, 0, value))
        back = distinct.update(back, 999 - value, Moment(value, 0, value))
    assert forth == back == distinct.merge(forth, back)


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
def test_ties_are_broken_by_event_time_then_partition_then_offset(earlier, later):
    latest = AGGREGATIONS["latest"](WORD)
    old, new = latest.lift("old", earlier), latest.lift("new", later)
    assert latest.finish(latest.merge(old, new)) == latest.finish(latest.merge(new, old)) == "new"
    first, both = AGGREGATIONS["first"](WORD), AGGREGATIONS["last_n"](WORD, last=2)
    assert first.finish(first.merge(old, new)) == first.finish(first.merge(new, old)) == "old"
    states = both.lift("old", earlier), both.lift("new", later)
    assert both.finish(both.merge(*states)) == both.finish(both.merge(*states[::-1])) == ["new", "old"]


@pytest.mark.parametrize("number", [WHOLE, MONEY, REAL, WORD], ids=lambda number: number.name)
def test_plan_components_and_sql_agree_on_their_width(number):
    for aggregation in kinds_over(number).values():
        assert_widths_agree(aggregation)


def assert_widths_agree(aggregation):
    assert sum(map(operator_width, aggregation.plan)) == len(aggregation.components)
    assert len(aggregation.aggregate_sql("x")) == len(aggregation.lift_sql("x")) == len(aggregation.components)
    assert aggregation.encode(None) == [""] * len(aggregation.components)
