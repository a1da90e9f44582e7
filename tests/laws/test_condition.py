"""Profiles merge: whatever the parts and their order, the profile of a batch is that of its records."""

from __future__ import annotations

import math
import random
from functools import reduce

import msgspec
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from batch_layer.preparation.condition import measuring as m
from batch_layer.preparation.condition.comparing import divergence
from batch_layer.preparation.condition.keeping import BEFORE, before_part
from batch_layer.preparation.condition.profile import MANY, Profile, bucket_begin, bucket_of

COLUMNS = [
    m.Measured("size", "number", "size: expected an integer of 64 bits, found"),
    m.Measured("word", "text", "word: expected a text, found"),
    m.Measured("at", "time", "at: expected a time, found"),
]
SCHEMA = pa.schema(
    {
        m.BATCH: pa.string(),
        m.USABLE: pa.bool_(),
        m.COUNTED: pa.bool_(),
        m.KEY: pa.int64(),
        m.SHAPE: pa.int64(),
        m.REASONS: pa.list_(pa.string()),
        m.REPAIRED: pa.list_(pa.string()),
        m.APPENDED: pa.int64(),
        m.HAPPENED: pa.int64(),
        "c0": pa.float64(),
        "c1": pa.string(),
        "c2": pa.int64(),
    }
)
HEADERS = ("size,word,at", "at,size")
REASONS = [
    None,
    ["size: expected an integer of 64 bits, found 'x'"],
    ["size: expected at least 1, found 0", "at: expected a time, found 'y'"],
    ["record: expected a JSON object, found 'z'"],
]
numbers = st.one_of(st.none(), st.integers(-5, 5).map(float), st.floats(-1e6, 1e6))
words = st.one_of(st.none(), st.sampled_from(["a", "b7", "c 12", "Ä"]), st.integers(0, 3 * MANY).map(str))
record = st.tuples(
    st.sampled_from(["one", "two"]),
    st.integers(0, 30),
    st.sampled_from([None, 0, 1]),
    st.integers(0, 3),
    st.sampled_from([None, ["size"], ["size", "word"]]),
    st.integers(0, 10**12),
    numbers,
    words,
    st.one_of(st.none(), st.integers(0, 10**12)),
)


def table(records) -> pa.Table:
    rows = [
        (batch, why == 0, why == 0 and key > 3, key, shape, REASONS[why], repaired, moment, None if why else moment - 1,
         None if why in (1, 3) else size, word, None if why == 2 else at)
        for batch, key, shape, why, repaired, moment, size, word, at in records
    ]  # fmt: skip
    return pa.Table.from_pylist([dict(zip(SCHEMA.names, row, strict=True)) for row in rows], SCHEMA)


def profiles(records) -> dict[str, Profile]:
    return m.measure(table(records), COLUMNS, HEADERS) if records else {}


def exact(profile: Profile) -> Profile:
    """The profile without its floating moments."""
    columns = {name: msgspec.structs.replace(one, moments=None) for name, one in profile.columns.items()}
    return msgspec.structs.replace(profile, columns=columns)


@given(st.lists(record, max_size=60), st.randoms(use_true_random=False), st.integers(1, 6))
def test_the_profile_of_a_whole_is_the_merge_of_its_parts_in_any_order(records, draw, parts):
    whole = profiles(records)

    cut = [[] for _ in range(parts)]
    for one in records:
        draw.choice(cut).append(one)
    found = [profiles(part) for part in cut]
    draw.shuffle(found)
    for batch, expected in whole.items():
        merged = reduce(Profile.merge, (part[batch] for part in found if batch in part))
        assert exact(merged) == exact(expected)
        for name, column in expected.columns.items():
            own, values = (
                merged.columns[name].moments,
                [one[6] for one in records if one[0] == batch and one[3] in (0, 2)],
            )
            scale = max((abs(value) for value in values if value is not None), default=0.0)
            assert own.n == column.moments.n
            assert own.mean == pytest.approx(column.moments.mean, rel=1e-9, abs=1e-9 * scale)
            assert own.m2 == pytest.approx(column.moments.m2, rel=1e-9, abs=1e-9 * scale**2 * own.n)
            assert own.m3 == pytest.approx(column.moments.m3, rel=1e-9, abs=1e-9 * scale**3 * own.n)


@given(st.lists(record, min_size=1, max_size=60))
def test_a_profile_counts_what_a_loop_over_the_records_counts(records):
    for batch, profile in profiles(records).items():
        own = [one for one in records if one[0] == batch]
        read = [one for one in own if one[3] != 3]
        sizes = [one[6] for one in own if one[3] in (0, 2) and one[6] is not None]
        texts = [one[7] for one in read if one[7] is not None]
        size, word, at = (profile.columns[name] for name in ("size", "word", "at"))

        assert (profile.rows, profile.quarantined) == (len(own), sum(one[3] != 0 for one in own))
        assert profile.accepted == sum(one[3] == 0 and one[1] > 3 for one in own)
        assert (size.rows, size.unreadable, size.refused) == (
            len(read), sum(one[3] == 1 for one in own), sum(one[3] == 2 for one in own)
        )  # fmt: skip
        assert at.unreadable == size.refused
        assert size.missing == len(read) - len(sizes) - size.unreadable
        assert (size.least, size.greatest) == (min(sizes, default=None), max(sizes, default=None))
        assert size.moments.n == sum(size.buckets.values()) == len(sizes)
        assert size.moments.mean == pytest.approx(sum(sizes) / len(sizes) if sizes else 0, rel=1e-9, abs=1e-6)
        assert word.texts == (
            {text: texts.count(text) for text in sorted(set(texts))} if len(set(texts)) <= MANY else None
        )
        assert size.repaired == sum(one[4] is not None for one in read)
        assert profile.headers == tuple(sorted({HEADERS[one[2]] for one in own if one[2] is not None}))
        assert abs(m.distinct_of(word.distinct) - len(set(texts))) <= 2


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_number_lies_in_its_bucket(value: float):
    bucket = bucket_of(value)

    begin, end = abs(bucket_begin(bucket)), abs(bucket_begin(bucket + (1 if bucket > 0 else -1)))
    assert bucket == 0 if value == 0 else math.copysign(1, bucket) == math.copysign(1, value)
    if 1e-300 < abs(value) < 1e300:  # beyond, a double has fewer digits, or a bucket no end
        assert begin * (1 - 1e-12) <= abs(value) <= end * (1 + 1e-12)


def test_values_of_any_size_leave_finite_moments():
    values = m._numbers(pa.chunked_array([pa.array([-1.7e308, 1.0, 1.7e308])]))["moments"]

    both = values.merge(values)
    assert all(math.isfinite(one) for one in (both.mean, both.m2, both.m3, both.skew))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=50))
def test_vectors_and_single_numbers_have_the_same_buckets(values: list[float]):
    found = m._numbers(pa.chunked_array([pa.array(values)]))["buckets"]

    assert found == {bucket: sum(bucket_of(value) == bucket for value in values) for bucket in map(bucket_of, values)}


counted = st.dictionaries(st.integers(0, 5), st.integers(0, 50))


@given(counted, counted)
def test_divergence_lies_between_nothing_and_one_and_has_no_direction(left, right):
    assert 0 <= divergence(left, right) <= 1
    assert divergence(left, right) == pytest.approx(divergence(right, left))
    assert divergence(left, left) == 0


def test_what_a_run_added_that_crashed_is_not_counted_by_the_run_that_begins_where_it_did():
    draw = random.Random(1)
    records = [("one", draw.randrange(30), None, 0, None, n, float(n), "a", n) for n in range(40)]
    first, second = profiles(records[:25])["one"], profiles(records[25:])["one"]
    rows = [("one", part, msgspec.json.encode(one).decode()) for part, one in ((BEFORE, first), ('{"0":25}', second))]

    assert exact(before_part(rows, '{"0":25}')["one"]) == exact(first)
    assert exact(before_part(rows, '{"0":40}')["one"]) == exact(profiles(records)["one"])
