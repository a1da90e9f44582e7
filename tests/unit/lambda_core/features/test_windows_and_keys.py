import pytest

from lambda_core.features.keys import entity_key, entity_key_sql, escape, unescape
from lambda_core.features.windows import Window, floor_to, format_duration, parse_duration


@pytest.mark.parametrize(
    ("text", "milliseconds"),
    [
        ("1ms", 1),
        ("1 millisecond", 1),
        ("2s", 2_000),
        ("5 min", 300_000),
        ("5m", 300_000),
        ("5 Minutes", 300_000),
        (" 2h ", 7_200_000),
        ("1 hour", 3_600_000),
        ("30d", 2_592_000_000),
        ("1 days", 86_400_000),
    ],
)
def test_a_duration_is_read_in_every_spelling(text, milliseconds):
    assert parse_duration(text) == milliseconds
    assert parse_duration(format_duration(milliseconds)) == milliseconds


@pytest.mark.parametrize("text", ["", "5", "h", "0h", "-1h", "1.5h", "5 weeks", "1 h 5 m"])
def test_what_is_no_duration_is_refused_with_an_example(text):
    with pytest.raises(ValueError, match="expected a duration like '5 minutes'"):
        parse_duration(text)


@pytest.mark.parametrize(("moment", "step", "floor"), [(0, 10, 0), (9, 10, 0), (10, 10, 10), (-1, 10, -10)])
def test_a_floor_is_never_after_the_moment(moment, step, floor):
    assert floor_to(moment, step) == floor


@pytest.mark.parametrize(
    ("event", "covered"), [(89, False), (90, True), (100, True), (124, True), (125, False), (126, False)]
)
def test_a_window_is_half_open_from_its_hop_to_t(event, covered):
    assert Window(30, 10).covers(event, 125) is covered


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (["a"], "a"),
        (["a|b", "c"], "a%7Cb|c"),
        (["a", "b|c"], "a|b%7Cc"),
        (["}"], "%7D"),
        (["{x}:y"], "%7Bx%7D%3Ay"),
        (["%7C"], "%257C"),
        ([7, "x"], "7|x"),
        ([-7, ""], "-7|"),
        ([""], ""),
        (["a", None], None),
    ],
)
def test_an_entity_has_one_text(values, key):
    assert entity_key(values) == key


def test_an_escape_is_undone_only_once():
    assert unescape(escape("%257C")) == "%257C"


def test_the_sql_of_a_key_escapes_every_column():
    sql = entity_key_sql(["a", "b"])
    assert sql.count("cast(`a` as string)") == sql.count("cast(`b` as string)") == 1
    assert sql.count("'%25'") == 2
