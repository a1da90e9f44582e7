"""Judging batches by those before them, and the report of it: without Spark."""

from __future__ import annotations

import json
import random

import msgspec
import numpy as np
import pytest

from batch_layer.preparation.condition.fields import field_changes
from batch_layer.preparation.condition.judging import Judge
from batch_layer.preparation.condition.keeping import ordered
from batch_layer.preparation.condition.measuring import KEY_PRECISION, VALUE_PRECISION, registers_of
from batch_layer.preparation.condition.profile import ColumnProfile, Moments, Profile, bucket_of
from batch_layer.preparation.condition.report import BatchReport, SourceCondition, quantile, write
from lambda_core.config.sources import Source

DAY = 86_400_000


def source(**condition: object) -> Source:
    columns = {"size": {"type": "float", "unit": "mm"}, "word": {"type": "string"}}
    declared = {"kind": "reference", "topic": "t", "columns": columns, "unique_key": ["word"], "condition": condition}
    return Source.model_validate(declared)


def batch(number: int, rows: int = 200, shift: float = 0.0, words: str = "abc", missing: int = 0) -> Profile:
    draw = random.Random(number)
    sizes = [draw.gauss(10 + shift, 2) for _ in range(rows - missing)]
    mean = sum(sizes) / max(len(sizes), 1)
    buckets: dict[int, int] = {}
    for size in sizes:
        buckets[bucket_of(size)] = buckets.get(bucket_of(size), 0) + 1
    size = ColumnProfile(
        rows=rows,
        missing=missing,
        least=min(sizes, default=None),
        greatest=max(sizes, default=None),
        moments=Moments(len(sizes), mean, sum((one - mean) ** 2 for one in sizes), 0.0),
        buckets=buckets,
    )
    drawn = [draw.choice(words) for _ in range(rows)]
    counts = {one: drawn.count(one) for one in sorted(set(drawn))}
    word = ColumnProfile(rows=rows, texts=counts, forms={"A": rows})
    return Profile(
        rows=rows, accepted=rows, first_ms=number * DAY, last_ms=number * DAY, columns={"size": size, "word": word}
    )


PAST = [batch(number) for number in range(10)]


def checks(
    own: Profile, past: list[Profile] = PAST, *, whole: bool = True, **condition: object
) -> set[tuple[str, str]]:
    found = Judge("parcels", source(**condition)).judge("b", own, past, whole=whole)
    return {(one.check, one.where) for one in found}


def test_a_batch_like_those_before_raises_nothing():
    assert checks(batch(11)) == set()


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (batch(11, shift=4), {("mean", "size"), ("distribution", "size")}),
        (batch(11, shift=90), {("mean", "size"), ("distribution", "size"), ("outliers", "size")}),
        (batch(11, words="abcd"), {("categories", "word")}),
        (batch(11, missing=60), {("missing", "size")}),
        (batch(11, rows=1_000), {("rows", "")}),
        (batch(11, rows=60), {("rows", "")}),
    ],
)
def test_what_differs_is_named_by_check_and_column(own: Profile, expected: set):
    assert expected <= checks(own)
    assert {where for _, where in checks(own)} == {where for _, where in expected}


def with_header(*headers: str) -> Profile:
    return msgspec.structs.replace(batch(11), headers=headers)


def told_of_fields(own: Profile, past: list[Profile], separator: str = ",", **files: str) -> str:
    declared = source().model_dump(by_alias=True, exclude_unset=True) | {"files": {"path": "*", "separator": separator}}
    declared["columns"]["word"]["field"] = "text"
    del declared["topic"]
    judge = Judge("parcels", Source.model_validate(declared), {header: file for file, header in files.items()})
    return "\n".join(one.sentence for one in judge.judge("b", own, past) if one.check == "fields")


@pytest.mark.parametrize("past", [[], [with_header("size,text")]])
def test_a_field_that_is_near_to_one_that_lacks_is_named_with_the_file_and_what_to_declare(past: list[Profile]):
    said = told_of_fields(with_header("Sise,text,note"), past, may="Sise,text,note", june="size,text")

    assert "no field 'size'" in said
    assert "a field 'Sise' that no column takes and 'size' may be, as in may;" in said
    assert "declare `sources.parcels.columns.size.field: Sise`" in said
    assert said.count("'text'") == 0
    assert "june" not in said


def test_a_column_with_a_name_of_its_own_in_the_file_is_named_by_its_place():
    said = told_of_fields(with_header("size,test"), [])

    assert "no field 'text'" in said
    assert "declare `sources.parcels.columns.word.field: test`" in said


def test_a_field_that_lacks_with_none_near_is_the_producers():
    for header in ("size,weight", "size"):
        said = told_of_fields(with_header(header), [])

        assert "found no field 'text'; ask the producer what changed" in said


def test_a_field_that_another_column_takes_is_not_the_one_that_lacks():
    two = {"kind": "reference", "topic": "t", "unique_key": ["sum"], "columns": {}}
    two["columns"] = {"sum": {"type": "float"}, "sum1": {"type": "float"}}
    changes = field_changes(Source.model_validate(two), ["sum"], [], {})

    assert changes is not None
    assert (changes.lacking, changes.misnamed) == (("sum1",), {})


def test_fields_are_parted_as_the_source_says():
    assert told_of_fields(with_header("size\ttext"), [], "\t") == ""
    assert "no field 'text'" in told_of_fields(with_header("size\tword"), [], "\t")
    assert "a new field 'weight'" in told_of_fields(with_header("size;text;weight"), [with_header("size;text")], ";")


def of_objects(number: int, rows: int = 200, missing: int | None = None, filled: int = 0) -> Profile:
    """A batch of JSON objects of which so many (default: all) have no size, or one that was filled in."""
    own = batch(number, rows, missing=rows if missing is None else missing)
    column = own.columns["size"]
    if filled:
        distinct = registers_of(np.array([1], dtype="uint64"), VALUE_PRECISION)
        column = ColumnProfile(rows=rows, repaired=filled, least=0.0, greatest=0.0, distinct=distinct)
    return msgspec.structs.replace(own, columns={**own.columns, "size": column})


def told_of_objects(own: Profile, past: list[Profile], keys: str = "Size word", **condition: object) -> list[str]:
    settings = source(**condition)
    settings.columns["size"] = settings.columns["size"].model_copy(update={"fill": 0.0})
    judge = Judge("parcels", settings, keys=lambda name: {"b": keys.split()}[name])
    return [one.sentence for one in judge.judge("b", own, past) if one.check == "fields"]


@pytest.mark.parametrize("own", [of_objects(11), of_objects(11, rows=3), of_objects(11, filled=200)])
@pytest.mark.parametrize("past", [[], PAST[:1], PAST])
def test_a_field_that_no_object_has_is_told_with_the_one_that_it_may_be_and_needs_no_history(own, past):
    (said,) = told_of_objects(own, past)

    assert (
        f"size: expected a field 'size' in some record, found it in none of {own.rows}, and a field 'Size' that" in said
    )
    assert "declare `sources.parcels.columns.size.field: Size`; else ask the producer what changed" in said


def test_a_field_that_no_object_has_with_none_near_is_told_of_many_objects_alone():
    (said,) = told_of_objects(of_objects(11), [], "word note")

    assert "found it in none of 200; ask the producer what changed, then correct sources.parcels.columns.size;" in said
    assert "add it to sources.parcels.condition.ignore" in said
    assert told_of_objects(of_objects(11, rows=49), [], "word note") == []
    assert told_of_objects(of_objects(11), [], ignore=["size"]) == []


def test_a_field_that_is_there_without_a_value_or_filled_in_here_and_there_is_not_told():
    assert told_of_objects(of_objects(11), [], "size Size word") == []
    assert told_of_objects(of_objects(11, missing=199), []) == []
    assert told_of_objects(of_objects(11, filled=199), []) == []


def test_a_field_that_was_never_there_is_told_once_and_again_when_it_came_and_went():
    assert told_of_objects(of_objects(11), [of_objects(1)]) == []
    assert told_of_objects(of_objects(11), [of_objects(1, filled=200)]) == []
    assert len(told_of_objects(of_objects(11), [of_objects(1), batch(2)])) == 1


def test_a_field_that_few_objects_have_may_be_absent_by_chance():
    assert told_of_objects(of_objects(11), [of_objects(number, missing=198) for number in range(9)]) == []
    assert len(told_of_objects(of_objects(11), [of_objects(number, missing=150) for number in range(9)])) == 1


def test_a_day_that_may_still_go_on_is_not_held_to_what_only_whole_days_show():
    assert checks(batch(11, rows=60, shift=4), whole=False) == set()
    assert checks(batch(11, rows=60, words="x", missing=30), whole=False) == {
        ("missing", "size"), ("categories", "word")
    }  # fmt: skip


def test_what_varied_before_is_usual():
    shifting = [batch(number, shift=number % 2 * 4.0) for number in range(10)]

    assert checks(batch(11, shift=4), shifting) == set()
    assert checks(batch(11, shift=9), shifting) >= {("mean", "size")}


def test_few_or_small_batches_are_no_rule():
    assert checks(batch(11, shift=90), PAST[:4]) == set()
    assert checks(batch(11, shift=90), [batch(number, rows=20) for number in range(10)]) == {("rows", "")}
    assert checks(batch(11, shift=90, rows=40), [batch(number, rows=60) for number in range(10)]) == set()


def test_a_column_that_is_ignored_is_not_looked_at():
    assert checks(batch(11, shift=90), ignore=["size"]) == set()


def test_only_what_is_to_fail_stops_and_an_accepted_batch_stops_nothing():
    def stops(**condition: object) -> set[str]:
        found = Judge("parcels", source(**condition)).judge("b", batch(11, shift=4, words="x"), PAST)
        return {one.check for one in found if one.stops}

    assert stops() == set()
    assert stops(fail=["mean"]) == {"mean"}
    assert stops(fail=["mean"], accept=["b"]) == set()


def test_what_stops_comes_first_then_what_went_furthest_beyond_its_limit():
    found = Judge("parcels", source(fail=["missing"])).judge("b", batch(11, shift=90, missing=60), PAST)

    assert found[0].check == "missing"
    weights = [one.weight for one in found]
    assert weights == sorted(weights, reverse=True)


def keyed(first: int, last: int) -> Profile:
    import pandas as pd

    hashes = pd.util.hash_array(np.arange(first, last, dtype="uint64"))
    return Profile(rows=last - first, keys=registers_of(hashes, KEY_PRECISION))


def test_keys_that_an_earlier_batch_holds_are_told_and_new_ones_beside_many_are_not():
    assert checks(keyed(0, 1_000), [keyed(500, 1_500)]) == {("repeated", "word")}
    assert checks(keyed(0, 1_000), [keyed(1_000, 2_000)]) == set()
    assert checks(keyed(0, 1_000), [keyed(1_000, 60_000)]) == set()


def test_a_constant_that_changes_is_told():
    def constant(value: float, number: int) -> Profile:
        size = ColumnProfile(
            rows=100, least=value, greatest=value, moments=Moments(100, value), buckets={bucket_of(value): 100}
        )
        return Profile(rows=100, first_ms=number, columns={"size": size})

    past = [constant(1.0, number) for number in range(6)]
    assert checks(constant(1.0, 9), past) == set()
    assert ("mean", "size") in checks(constant(2.0, 9), past)


def test_batches_come_in_the_order_of_their_append_times():
    found = ordered({"late": batch(3), "early": batch(1), "middle": batch(2)})

    assert list(found) == ["early", "middle", "late"]


def test_a_quantile_lies_near_the_value():
    column = batch(5, rows=2_000).columns["size"]

    assert quantile(column, 0.5) == pytest.approx(10, rel=0.06)
    assert quantile(ColumnProfile(), 0.5) is None


def test_the_report_tells_the_findings_first_and_needs_nothing_from_elsewhere(tmp_path):
    own = batch(11, shift=4, words="ab<")
    findings = Judge("parcels", source()).judge("b<1>", own, PAST)
    past = {f"p{number}": one for number, one in enumerate(PAST)}
    page = write(tmp_path, SourceCondition("parcels", DAY, [BatchReport("b<1>", own, past, findings)], []))

    html = page.read_text()
    assert html.index("What to do:") < html.index("<h2>Batch b&lt;1&gt;")
    assert "<svg" in html
    assert "b<1>" not in html
    assert not any(word in html for word in ("http://", "https://", "<script", "<link", "<img", "url("))
    told = json.loads(page.with_suffix(".json").read_text())
    assert [one["sentence"] for one in told["findings"]] == [one.sentence for one in findings]
    assert told["batches"][0]["columns"]["size"]["mean"] == pytest.approx(own.columns["size"].moments.mean)
