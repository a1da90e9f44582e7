"""Laws 7, 9 and 10: names that never collide, pointers with one form, generations and definitions that are never mixed."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lambda_core.features.definition import compile_definition
from lambda_core.features.keys import entity_key, escape, unescape
from lambda_core.schemas.ids import batch_id, content_id, prediction_id
from lambda_core.views.keyspace import Keyspace
from lambda_core.views.pointer import Pointer, Published
from tests.laws.worlds import project

parts = st.text(st.sampled_from("ab|{}:%7C\N{SNOWMAN} "), max_size=4)
entities = st.lists(parts, min_size=2, max_size=2)


@given(left=entities, right=entities)
@example(left=["a|b", "c"], right=["a", "b|c"])
@example(left=["a%7Cb", "c"], right=["a|b", "c"])
@example(left=["", "|"], right=["|", ""])
def test_two_entities_have_one_key_only_if_they_are_one(left, right):
    assert (entity_key(left) == entity_key(right)) == (left == right)


@given(value=st.text(max_size=8))
@example(value="}")
@example(value="}x{")
def test_a_value_comes_back_and_never_touches_what_parts_a_redis_key(value):
    assert unescape(escape(value)) == value
    assert not set(escape(value)) & set("|{}:")


@given(value=parts)
@example(value="}")
@example(value="")
def test_all_keys_of_an_entity_share_one_hash_tag_that_is_never_empty(value):
    keys, entity = Keyspace("world"), entity_key([value])
    assert entity is not None
    names = [
        keys.batch("things", entity, "g1"),
        keys.speed("things", entity, "d.0", 7),
        keys.periods("things", entity, "d.0"),
        keys.seen("things", entity, "d.0"),
    ]
    tags = {name[name.index("{") + 1 : name.index("}")] for name in names}
    assert tags == {f"things:{entity}"}
    assert len(set(names)) == len(names)


places = st.tuples(entities, st.sampled_from(["d.0", "d.1", "d1.0"]), st.integers(0, 30))


@given(left=places, right=places)
def test_two_hashes_have_one_name_only_if_entity_epoch_and_period_are_the_same(left, right):
    keys = Keyspace("world")
    names = [keys.speed("things", entity_key(entity) or "", epoch, period) for entity, epoch, period in (left, right)]
    assert (names[0] == names[1]) == (left == right)


topics = st.none() | st.text(st.sampled_from("t/0-1"), min_size=1, max_size=5)
positions = st.tuples(topics, st.integers(-1, 11), st.integers(0, 300))


@given(left=positions, right=positions)
@example(left=("t", 1, 2), right=("t/1", 1, 2))
@example(left=("t", 1, 12), right=("t", 11, 2))
def test_a_prediction_is_named_by_its_position_alone(left, right):
    """Of files the number of the record is the whole position: their partition is -1, whatever topic the source has."""
    same = left[1:] == right[1:] and (left[0] == right[0] or left[1] < 0)
    ids = prediction_id(*left), prediction_id(*right)
    assert (ids[0] == ids[1]) == same or None in ids


@given(topic=topics, place=st.tuples(st.none() | st.integers(-1, 9), st.none() | st.integers(0, 9)))
def test_a_prediction_without_a_position_has_no_id(topic, place):
    missing = None in place or (topic is None and place[0] >= 0)
    assert (prediction_id(topic, *place) is None) == missing


contents = st.tuples(st.sampled_from(["a", "a_0", "b"]), st.binary(max_size=6))


def batch(source: str, content: bytes) -> str:
    return batch_id(source, hashlib.sha256(content).hexdigest())


@given(left=contents, right=contents)
@example(left=("a", b""), right=("a", b"\x00"))
def test_a_batch_is_one_with_another_only_if_source_and_every_byte_are(left, right):
    assert batch(*left) == batch(*left)
    assert (batch(*left) == batch(*right)) == (left == right)


@given(source=st.sampled_from(["a", "b"]), content=st.binary(min_size=1, max_size=40), data=st.data())
def test_one_changed_byte_makes_another_batch(source, content, data):
    place = data.draw(st.integers(0, len(content) - 1))
    other = bytearray(content)
    other[place] ^= data.draw(st.integers(1, 255))
    assert batch(source, bytes(other)) != batch(source, content)
    assert batch(source, content[:place] + content[place + 1 :]) != batch(source, content)


# Joiners that an encoding may use, digits and colons that a length may be taken for, and nothing at all.
texts = st.lists(st.text(st.sampled_from("a1:,|\x00\x1f\N{SNOWMAN}"), max_size=3), max_size=4)


@given(left=texts, right=texts)
@example(left=["a", "b"], right=["a\x1fb"])
@example(left=["a", "b"], right=["ab"])
@example(left=["a", "b"], right=["b", "a"])
@example(left=["1:a"], right=["a"])
@example(left=["a", "1:b"], right=["a1:", "b"])
@example(left=[], right=[""])
@example(left=[""], right=["", ""])
def test_a_content_id_names_its_parts_one_by_one_in_their_order(left, right):
    assert content_id(*left) == content_id(*list(left))
    assert (content_id(*left) == content_id(*right)) == (left == right)


@given(parts=texts.filter(bool), data=st.data())
def test_wherever_the_boundary_of_two_parts_moves_the_content_id_does(parts, data):
    whole = "".join(parts)
    cuts = data.draw(st.lists(st.integers(0, len(whole)), max_size=4).map(sorted))
    other = [whole[start:end] for start, end in pairwise([0, *cuts, len(whole)])]
    assert (content_id(*parts) == content_id(*other)) == (parts == other)


def test_a_part_counts_by_its_text():
    assert content_id(1, None, 2.5) == content_id("1", "None", "2.5")


published = st.builds(
    Published,
    generation=st.text("g0123", min_size=1, max_size=5),
    horizon=st.integers(0, 2**40),
    epoch=st.sampled_from(["a.0", "a.12", "b.0"]),
    raw_versions=st.dictionaries(st.sampled_from(["things", "others"]), st.integers(0, 9)),
    lookback_from_ms=st.integers(0, 2**42),
)


@given(current=published, previous=st.none() | published)
def test_equal_pointers_have_equal_bytes_and_come_back(current, previous):
    pointer = Pointer(current, previous)
    reordered = dict(reversed(current.raw_versions.items()))
    twin = Pointer(Published(**{**vars(current), "raw_versions": reordered}), previous)
    assert Pointer.decode(pointer.encode()) == pointer
    assert pointer.encode() == twin.encode()
    assert pointer.retained_horizon() == min(view.horizon for view in (current, previous) if view)


def test_the_epoch_names_the_definition():
    view = Published("g1", 3, "0123456789abcdef.12", {}, 0)
    assert view.definition_id == "0123456789abcdef"


# --- the id of a definition --------------------------------------------------------------------------------------


def changed(path: str, value: object) -> str:
    """The id of the world whose declaration has another value at this path."""
    fields = project().model_dump(mode="json", by_alias=True)
    place = fields
    *way, last = path.split(".")
    for step in way:
        place = place[int(step)] if isinstance(place, list) else place[step]
    place[last] = value
    return compile_definition(type(project()).model_validate(fields)).id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("view.period", 21),
        ("view.ring", 9),
        ("sources.things.columns.whole.repair", "abs(whole)"),
        ("sources.things.columns.whole.min", 0),
        ("sources.things.columns.money.scale", 3),
        ("sources.things.null_values", ["", "NA"]),
        ("sources.things.derive.at.expression", "timestamp(0)"),
        ("sources.things.first_year", 1999),
        ("sources.things.tolerance", 1),
        ("sources.things.unique_key", ["key"]),
        ("sources.things.duplicate_horizon", 36),
        ("sources.things.row_rules", [{"name": "some", "rule": "whole > 0"}]),
        ("entities.thing.keys", ["word"]),
        ("feature_groups.things.features.1.windows", [31]),
        ("feature_groups.things.features.1.hop", 11),
        ("feature_groups.things.features.1.aggregations", ["sum"]),
    ],
)
def test_whatever_decides_what_an_event_becomes_changes_the_definition(path, value):
    assert changed(path, value) != compile_definition(project()).id


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("description", "other"),
        ("owner", "others"),
        ("sources.things.description", "other"),
        ("sources.things.owner", "others"),
        ("sources.things.columns.whole.description", "other"),
        ("sources.things.columns.whole.unit", "minutes"),
        ("sources.things.derive.at.description", "other"),
        ("feature_groups.things.features.1.description", "other"),
        ("feature_groups.things.features.1.unit", "minutes"),
        ("view.lookback", 9),
        ("serving.deadline", 9),
    ],
)
def test_words_and_what_only_serving_reads_leave_the_definition(path, value):
    assert changed(path, value) == compile_definition(project()).id


def test_references_are_part_of_the_definition_and_their_order_is_not():
    one = compile_definition(project(), {"a": "1", "b": "2"}).id
    assert one == compile_definition(project(), {"b": "2", "a": "1"}).id
    assert len({one, compile_definition(project(), {"a": "1", "b": "3"}).id, compile_definition(project()).id}) == 3
