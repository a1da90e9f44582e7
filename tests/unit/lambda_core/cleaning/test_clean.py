"""What a record becomes, step by step, and the sentences for what it cannot."""

from __future__ import annotations

import datetime as dt
import json
import random
from decimal import Decimal

import pytest

from lambda_core.cleaning import clean, read_fields
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError
from lambda_core.features.keys import entity_key

NOON = 1_700_049_600_000
"""2023-11-15T12:00:00Z: the append time of every record of these tests."""


def order(**fields: object) -> bytes:
    return json.dumps({"id": "a", "happened": NOON - 1000} | fields).encode()


def reasons(cleaned, project, **fields: object) -> list[str]:
    return cleaned(project, [order(**fields)])[0]["reasons"]


def test_a_good_record_is_typed_and_has_no_reasons(cleaned, shop):
    row = cleaned(shop(), [order(item="pen", count="12", price=1.005)])[0]

    assert row.asDict() == {
        "id": "a",
        "item": "pen",
        "count": 12,
        "price": Decimal("1.01"),
        "happened": NOON - 1000,
        "moment": dt.datetime(2023, 11, 15, 11, 59, 59),  # noqa: DTZ001 - Spark hands out UTC without saying so
        "event_time_ms": NOON - 1000,
        "partition": 0,
        "offset": 0,
        "append_time_ms": NOON,
        "_value": row["_value"],
        "unique_id": "a",
        "reasons": [],
        "_repaired": [],
        "duplicate": None,
    }


def test_a_source_of_texts_alone_that_nothing_can_be_wrong_with_is_accepted(cleaned):
    text = {"type": "string"}
    towns = {"kind": "reference", "topic": "towns", "columns": {"id": text, "name": text}, "unique_key": ["id"]}
    project = Project.model_validate({"project": "shop", "sources": {"orders": towns}})

    rows = cleaned(project, [b'{"id": "a"}', b"{"])

    assert [(row["id"], len(row["reasons"])) for row in rows] == [("a", 0), (None, 1)]


FINDINGS = [
    ({"count": "12x"}, "count: expected an integer of 64 bits, found '12x'"),
    ({"price": "dear"}, "price: expected a decimal number of at most 18 digits, found 'dear'"),
    ({"id": "NA"}, "id: expected a value, found none"),
    ({"id": None}, "id: expected a value, found none"),
    ({"count": 0}, "count: expected 1 to 99 pieces, found 0"),
    ({"count": 100}, "count: expected 1 to 99 pieces, found 100"),
    ({"happened": None}, "moment: expected the time of the event, found none"),
    (
        {"happened": NOON + 300_001},
        "moment: expected a time at most 300000 ms after the record's append time 2023-11-15T12:00:00.000Z, found 2023-11-15T12:05:00.001Z",
    ),
    ({"happened": -1}, "moment: expected a time from 1970 on, found 1969-12-31T23:59:59.999Z"),
]


def test_a_finding_names_column_expected_and_found(cleaned, shop):
    rows = cleaned(shop(), [order(**fields) for fields, _ in FINDINGS])

    assert [row["reasons"] for row in rows] == [[sentence] for _, sentence in FINDINGS]


def test_a_bound_itself_is_inside(cleaned, shop):
    bounds = [{"count": 1}, {"count": 99}, {"happened": NOON + 300_000}, {"happened": 0}]

    rows = cleaned(shop(), [order(**fields) for fields in bounds])

    assert [row["reasons"] for row in rows] == [[], [], [], []]


def test_every_finding_is_told(cleaned, shop):
    found = reasons(cleaned, shop(), id="", count="x", price="y", happened="z")

    assert [sentence.split(":")[0] for sentence in found] == ["count", "price", "happened", "id", "moment"]


def test_a_broken_record_has_its_one_reason_and_no_duplicate(cleaned, shop):
    row = cleaned(shop(), [b"{"])[0]

    assert row["reasons"] == ["record: expected a JSON object, found '{'"]
    assert (row["event_time_ms"], row["unique_id"], row["duplicate"]) == (None, None, None)


def test_a_repair_sees_the_columns_as_read_and_comes_before_the_bounds(cleaned, shop):
    columns = {
        "id": {"type": "string"},
        "count": {"type": "integer", "max": 9, "repair": "case when count > 9 then null else count end"},
        "double": {"type": "integer", "repair": "count * 2"},
        "price": {"type": "decimal", "scale": 1, "required": True, "repair": "coalesce(price, 0.25)"},
        "happened": {"type": "integer"},
    }
    project = shop(columns=columns)

    rows = cleaned(project, [order(count=20, double=1), order(count=4, double=1, price=2), order(count="x")])

    assert [(row["count"], row["double"], row["price"]) for row in rows] == [
        (None, 40, Decimal("0.3")),
        (4, 8, Decimal("2.0")),
        (None, None, Decimal("0.3")),
    ]
    assert [row["reasons"] for row in rows] == [[], [], ["count: expected an integer of 64 bits, found 'x'"]]


def test_floats_that_are_not_finite_are_refused_wherever_they_come_from(cleaned, shop):
    columns = {"id": {"type": "string"}, "x": {"type": "float"}, "happened": {"type": "integer"}}
    derive = {
        "root": {"type": "float", "expression": "sqrt(x)"},
        "moment": {"type": "timestamp", "expression": "timestamp_millis(happened)"},
    }
    project = shop(columns=columns, derive=derive)
    values = [order(x="-1"), b'{"id":"a","x":"NaN","happened":0}', order(x="1e999"), order(x="-0.0")]

    rows = cleaned(project, values)

    assert [row["reasons"] for row in rows] == [
        ["root: expected a number of at most 1e140 either way, found 'NaN'"],
        ["x: expected a number of at most 1e140 either way, found 'NaN'"],
        ["x: expected a number of at most 1e140 either way, found '1e999'"],
        [],
    ]
    assert str(rows[3]["x"]) == "0.0"


def test_a_derived_column_uses_those_before_it_and_keeps_its_bounds(cleaned, shop):
    derive = {
        "total": {"type": "decimal", "scale": 1, "expression": "count * price"},
        "rounded": {"type": "integer", "expression": "total", "max": 50, "required": True},
        "moment": {"type": "timestamp", "expression": "timestamp_millis(happened)"},
    }
    project = shop(derive=derive)

    rows = cleaned(
        project, [order(count=2, price="1.50"), order(count=1, price="1.25"), order(), order(count=9, price=9)]
    )

    assert [(row["total"], row["rounded"]) for row in rows] == [
        (Decimal("3.0"), 3),
        (Decimal("1.3"), None),
        (None, None),
        (Decimal("81.0"), 81),
    ]
    assert [row["reasons"] for row in rows] == [
        [],
        ["rounded: expected an integer of 64 bits, found '1.3'", "rounded: expected a value, found none"],
        ["rounded: expected a value, found none"],
        ["rounded: expected at most 50, found 81"],
    ]


def test_a_row_rule_that_is_false_is_a_reason_and_one_that_is_null_is_not(cleaned, shop):
    project = shop(row_rules=[{"name": "worth_it", "rule": "count * price > 10"}])

    rows = cleaned(project, [order(count=1, price=1), order(count=1), order(count=5, price=5)])

    assert [row["reasons"] for row in rows] == [
        ["row rule worth_it: expected count * price > 10, found it false"],
        [],
        [],
    ]


def test_a_lookup_takes_columns_of_the_reference_and_null_where_it_has_none(spark, cleaned, shop):
    items = spark.createDataFrame(
        [("pen", Decimal("0.010"), "Pen"), (None, None, "no")], "sku string, weight decimal(18,3), label string"
    )
    project = shop(
        lookups={"kind": {"source": "items", "key": "item", "take": {"item_weight": "weight"}}},
        derive={
            "weight": {"type": "decimal", "scale": 3, "expression": "item_weight * count"},
            "moment": {"type": "timestamp", "expression": "timestamp_millis(happened)"},
        },
    )

    rows = cleaned(project, [order(item="pen", count=3), order(item="cup", count=3), order(count=3)], items=items)

    assert [row["weight"] for row in rows] == [Decimal("0.030"), None, None]
    assert "item_weight" not in rows[0].asDict()


@pytest.mark.parametrize(("partition", "duplicates"), [(-1, [None, "log_from"]), (0, ["log_from", None])])
def test_a_record_that_the_other_of_file_and_topic_counts_is_a_declared_duplicate(
    cleaned, shop, partition: int, duplicates: list
):
    project = shop(files={"path": "orders.csv"}, log_from="2023-11-15T11:00:00Z")
    start = NOON - 3_600_000

    rows = cleaned(project, [order(happened=start - 1), order(happened=start)], partition=partition)

    assert [row["duplicate"] for row in rows] == duplicates


def test_a_quarantined_record_is_no_declared_duplicate(cleaned, shop):
    project = shop(files={"path": "orders.csv"}, log_from="2023-11-15T11:00:00Z")

    row = cleaned(project, [order(happened=0, count="x")])[0]

    assert row["duplicate"] is None
    assert row["reasons"]


def test_unique_ids_are_the_canonical_keys_of_their_columns(cleaned, shop):
    draw = random.Random(7)
    alphabet = "ab|%{}:7Cü "
    wanted = [("".join(draw.choices(alphabet, k=draw.randrange(1, 6))), draw.choice([None, 3, -4])) for _ in range(60)]
    project = shop(unique_key=["id", "count"], null_values=[])

    rows = cleaned(project, [order(id=name, count=number) for name, number in wanted])

    assert [row["unique_id"] for row in rows] == [entity_key(key) for key in wanted]


def test_records_of_one_key_are_the_same_event_only_where_they_are_of_the_same_entities(cleaned, shop):
    settings = shop().model_dump(by_alias=True)
    settings["entities"] = {"item": {"keys": ["item"]}, "lot": {"keys": ["item", "count"]}}
    counted = [{"aggregations": ["count"], "windows": ["1h"]}]
    settings["feature_groups"] = {
        name: {"source": "orders", "entity": name, "features": counted} for name in settings["entities"]
    }
    project = Project.model_validate(settings)

    orders = [("a", "pen", 1), ("a", "pen", 1), ("a", "cup", 1), ("a", "pen", 2), ("a", None, 1), ("a", None, 2)]
    rows = cleaned(project, [order(id=name, item=item, count=count) for name, item, count in orders])

    assert [row["unique_id"] for row in rows] == [
        "a|pen|pen|1", "a|pen|pen|1", "a|cup|cup|1", "a|pen|pen|2", "a|%|%", "a|%|%",
    ]  # fmt: skip


def test_columns_may_be_named_as_the_records_parts_are(cleaned, shop):
    columns = {name: {"type": "string"} for name in ("id", "value", "fields", "header", "topic", "origin", "text")}
    columns["log_offset"] = {"type": "integer", "field": "offset"}
    columns["happened"] = {"type": "integer"}
    project = shop(columns=columns)

    row = cleaned(project, [order(value="v", fields="f", header="h", topic="t", origin="o", text="x", offset=41)])[0]

    assert (row["value"], row["fields"], row["header"], row["topic"], row["origin"], row["text"]) == tuple("vfhtox")
    assert (row["log_offset"], row["offset"]) == (41, 0)


def test_a_column_named_like_a_position_is_refused_with_the_way_out(shop):
    with pytest.raises(ValueError, match="say `field: offset`"):
        shop(columns={"offset": {"type": "integer"}})


def test_csv_and_json_of_the_same_texts_become_the_same(records, shop):
    project, header = shop(), "id,item,count,price,happened"
    texts = [
        ("a", "pen", "12", "1.5", str(NOON)),
        ("b", "NA", "12.5", " 1", str(NOON)),
        ("", "", "007", "1e1", "x"),
        ("c|d", "ü", "", "-0.005", str(NOON)),
    ]
    lines = [",".join(row).encode() for row in texts]
    objects = [json.dumps(dict(zip(header.split(","), row, strict=True))).encode() for row in texts]
    read = [
        read_fields(project.sources["orders"], records(lines, header), [header]),
        read_fields(project.sources["orders"], records(objects)),
    ]

    from_csv, from_json = (clean(project, "orders", one, {}).drop("_value").orderBy("offset").collect() for one in read)

    assert from_csv == from_json


def test_what_passes_through_is_left_alone(records, shop):
    frame = records([order()]).selectExpr("*", "'x' as _trace", "'b1' as batch_id")

    row = clean(shop(), "orders", read_fields(shop().sources["orders"], frame), {}).collect()[0]

    assert (row["_trace"], row["batch_id"]) == ("x", "b1")


def test_an_event_time_that_is_no_timestamp_is_refused(cleaned, shop):
    with pytest.raises(ConfigError, match=r"sources.orders.event_time: expected a derived column of type timestamp"):
        cleaned(shop(event_time="happened"), [order()])
