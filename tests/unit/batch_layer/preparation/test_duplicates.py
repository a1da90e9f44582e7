"""Copies by their producer, found in Spark as a stupid loop finds them."""

from __future__ import annotations

import random

import pytest

from batch_layer.preparation.duplicates import later_copies
from lambda_core.config.sources import Source

Record = tuple[str | None, int, int, int]
"""Unique id, partition, offset, append time."""


def source(horizon_ms: int, kind: str = "event") -> Source:
    declared = {"kind": kind, "topic": "t", "columns": {"id": {"type": "string"}}, "unique_key": ["id"]}
    if kind == "event":
        declared |= {"event_time": "id", "duplicate_horizon": horizon_ms}
    return Source.model_validate(declared)


def later_by_hand(records: list[Record], horizon_ms: int) -> set[tuple[int, int]]:
    kept: dict[tuple[str, int], int] = {}
    later = set()
    for unique_id, partition, offset, append_ms in sorted(records, key=lambda record: record[1:3]):
        if unique_id is None:
            continue
        key = (unique_id, partition)
        if key in kept and append_ms - kept[key] <= horizon_ms:
            later.add((partition, offset))
        else:
            kept[key] = append_ms
    return later


def superseded_by_hand(records: list[Record]) -> set[tuple[int, int]]:
    best: dict[str, Record] = {}
    for record in sorted(records, key=lambda record: (-record[3], record[1], record[2])):
        if record[0] is not None:
            best.setdefault(record[0], record)
    return {record[1:3] for record in records if record[0] is not None and best[record[0]] != record}


def framed(spark, records: list[Record]):
    return spark.createDataFrame(
        records, "unique_id string, `partition` int, `offset` bigint, append_time_ms bigint"
    ).repartition(3)


def found(spark, declared: Source, records: list[Record], before: list[Record] | None = None) -> set[tuple[int, int]]:
    known = None if before is None else framed(spark, before)
    rows = later_copies(declared, framed(spark, records), known).where("later").collect()
    assert len(rows) == len({(row["partition"], row["offset"]) for row in rows})
    return {(row["partition"], row["offset"]) for row in rows}


def drawn(seed: int) -> list[Record]:
    draw = random.Random(seed)
    offsets = dict.fromkeys((-1, 0, 1), 0)
    records = []
    for _ in range(4500):
        partition = draw.choice((-1, 0, 0, 0, 1))
        offsets[partition] += draw.randrange(1, 4)
        unique_id = draw.choice([None, *(f"k{number}" for number in range(900))])
        records.append((unique_id, partition, offsets[partition], draw.randrange(0, 1000)))
    return records


@pytest.mark.parametrize("horizon_ms", [1, 90, 5000])
def test_later_copies_are_those_that_a_loop_over_positions_finds(spark, horizon_ms: int):
    records = drawn(horizon_ms)

    assert found(spark, source(horizon_ms), records) == later_by_hand(records, horizon_ms)


def test_of_a_reference_the_newest_record_stands_for_its_key(spark):
    records = drawn(9)

    assert found(spark, source(1, "reference"), records) == superseded_by_hand(records)


def test_the_horizon_itself_is_inside_and_counts_from_the_copy_last_kept(spark):
    records = [("a", 0, 0, 100), ("a", 0, 1, 160), ("a", 0, 2, 161), ("a", 0, 3, 221), ("a", 0, 4, 222)]

    assert found(spark, source(60), records) == {(0, 1), (0, 3)}


def test_what_comes_later_is_judged_by_what_was_kept_before(spark):
    records, horizon_ms = drawn(4), 90
    draw = random.Random(4)
    cut = {partition: draw.randrange(200, 1500) for partition in (-1, 0, 1)}
    early = [record for record in records if record[2] < cut[record[1]]]
    late = [record for record in records if record[2] >= cut[record[1]]]
    dropped = later_by_hand(early, horizon_ms)
    before = [record for record in early if record[1:3] not in dropped]

    again = found(spark, source(horizon_ms), late, before)

    assert dropped | again == later_by_hand(records, horizon_ms)
    assert len(again) > 100
    assert again != later_by_hand(late, horizon_ms)


def test_each_partition_is_judged_for_itself_and_clocks_may_step_back(spark):
    records = [("a", 0, 0, 50), ("a", -1, 7, 100), ("b", 0, 1, 100), ("b", 0, 2, 10)]

    assert found(spark, source(60), records) == {(0, 2)}


def test_a_thousand_copies_of_one_key_are_one_record(spark):
    records = [("a", 0, offset, offset) for offset in range(1000)]

    assert len(found(spark, source(5000), records)) == 999


def test_a_key_that_several_partitions_hold_is_told_once_whenever_its_records_come(spark):
    before = [("c", 0, 1, 0), ("d", 0, 2, 0), ("d", 1, 2, 0)]
    records = [("a", 0, 3, 0), ("a", 1, 5, 0), ("a", 1, 6, 0), ("b", 1, 7, 0), ("b", 1, 8, 0), ("c", 1, 9, 0)]
    records += [("d", 1, 10, 0), ("d", 2, 10, 0)]

    told = later_copies(source(60), framed(spark, records), framed(spark, before)).collect()

    assert {(row["partition"], row["offset"]): (row["later"], row["across"]) for row in told} == {
        (0, 3): (False, True),
        (1, 6): (True, False),
        (1, 8): (True, False),
        (1, 9): (False, True),
        (1, 10): (True, False),
    }
