"""What the query makes of cleaned rows; the same plan, over rows that are at rest."""

import msgspec
from speed_shop import T0, shop_context

from lambda_core.cleaning import clean, read_fields
from lambda_core.cleaning.sizes import too_long
from lambda_core.schemas.messages import Quarantined, Request, Update
from speed_layer.preparation.outputs import messages

RECORDS = [
    b'{"id": "1", "customer": "c:1", "amount": "99.5", "weight": "0.25", "at": %d}' % T0,
    b'{"id": "2", "amount": "10", "at": %d}' % T0,
    b'{"id": "3", "customer": "c", "amount": "-1", "at": %d}' % T0,
    b"\xff",
    b'{"id": "5", "customer": "%s", "amount": "1", "at": %d}' % (b"c" * 2_000, T0),
]


def test_each_record_becomes_its_messages_or_one_of_quarantine(spark, tmp_path):
    spark.conf.set("spark.sql.ansi.enabled", "false")
    context = shop_context(tmp_path, "nowhere", "redis://nowhere", spark, name="shop")
    rows = [(bytearray(value), 0, place, T0 + 1_000) for place, value in enumerate(RECORDS)]
    frame = spark.createDataFrame(rows, "value binary, `partition` int, `offset` bigint, append_time_ms bigint")
    cleaned = clean(context.project, "orders", read_fields(context.project.sources["orders"], frame), {})
    made = {}
    for row in messages(context.definition, "orders", cleaned, max_bytes=1_500).toLocalIterator():
        made.setdefault(row["topic"], []).append((row["key"], row["value"].encode()))
    ((key, text),) = made["shop.updates"]
    update = msgspec.json.decode(text, type=Update)
    assert key == "orders_by_customer:c%3A1"
    assert (update.entity, update.offset, update.event_ms, update.unique) == ("c%3A1", 0, T0, "1|c%3A1")
    assert update.row[:3] == ["1", "9950", "9950"]
    ((key, text),) = made["shop.requests"]
    request = msgspec.json.decode(text, type=Request)
    assert (key, request.prediction_id, request.t_ms) == ("c:1", "shop.orders/0/0", T0)
    assert (request.entities, request.request) == ({"orders_by_customer": "c%3A1"}, {"amount": 99.5})
    refused = [msgspec.json.decode(text, type=Quarantined) for _, text in made["shop.quarantine"]]
    assert sorted((one.offset, one.reasons[0].partition(":")[0]) for one in refused) == [
        (2, "amount"), (3, "record"), (4, "record"),
    ]  # fmt: skip
    assert max(len(one.excerpt) for one in refused) == 1_024


ROOM = 6_000
"""What a message's names and numbers take, and more."""
TEXTS = ["c", "x" * 900, "ä€" * 300, '"\\' * 200, "%|{}:" * 99, "\x01\n\t" * 120, '%\x02"' * 77]


def test_no_message_is_longer_than_what_cleaning_says_of_the_records_texts(spark, tmp_path):
    """By cleaning's rule both sides refuse a record before its message could be too long for the broker."""
    context = shop_context(tmp_path, "nowhere", "redis://nowhere", spark, name="shop")
    orders = [{"id": id_, "customer": text, "amount": "99.5", "at": T0} for text in TEXTS for id_ in ("1", text)]
    rows = [(bytearray(msgspec.json.encode(one)), 0, place, T0 + 1_000) for place, one in enumerate(orders)]
    frame = spark.createDataFrame(rows, "value binary, `partition` int, `offset` bigint, append_time_ms bigint")
    cleaned = clean(context.project, "orders", read_fields(context.project.sources["orders"], frame), {}).persist()
    at_most = too_long(context.project, "orders", max_bytes=0)
    bounds = [row["said"] for row in cleaned.orderBy("offset").select(at_most.sentence.alias("said")).collect()]
    bounds = [int(said.split()[-2]) for said in bounds]
    longest = [0] * len(orders)
    for row in messages(context.definition, "orders", cleaned).collect():
        value = msgspec.json.decode(row["value"])
        offset = value["offset"] if "offset" in value else int(value["prediction_id"].rpartition("/")[2])
        longest[offset] = max(longest[offset], len(row["key"].encode()) + len(row["value"].encode()))
    assert len(bounds) == len(longest) == 2 * len(TEXTS)
    assert all(0 < found <= bound for found, bound in zip(longest, bounds, strict=True))
    assert bounds[2] - longest[2] < ROOM  # a text that needs no escapes is not refused long before its time
    cleaned.unpersist()
