"""Law 10: an id is the same text whether Python or Spark SQL renders it."""

from __future__ import annotations

import itertools
import json

from batch_layer.ingestion.json_lines import JsonLines
from batch_layer.segregation.drawing import lot, lot_sql
from lambda_core.repositories.raw_log import log_rows
from lambda_core.schemas.ids import content_id, content_id_sql, prediction_id, prediction_id_sql

TOPICS = [
    None, "flights.departures", "a-b_c.D9", "a/0", "/", "", " ", "file", "null", "it's", "''", "\\", "\\'", "a\\n", "a\nb",
    '"', "`partition`", "%s", "{0}", "${spark.app.name}", "$", "--", "Zoë \N{SNOWMAN}\N{GRINNING FACE}",
]  # fmt: skip
PARTITIONS = [None, -(2**31), -1, 0, 1, 9, 10, 2**31 - 1]
OFFSETS = [None, 0, 1, 9, 10, 999, 2**31, 2**63 - 1]


def test_a_position_has_the_same_prediction_id_in_spark_sql_and_in_python(spark):
    places = list(itertools.product(PARTITIONS, OFFSETS))
    frame = spark.createDataFrame(places, "`partition` int, `offset` bigint")
    rendered = [f"{prediction_id_sql(topic)} as `{number}`" for number, topic in enumerate(TOPICS)]

    found = frame.selectExpr("`partition`", "`offset`", *rendered).collect()

    differing = {}
    for row in found:
        for topic, value in zip(TOPICS, row[2:], strict=True):
            expected = prediction_id(topic, row["partition"], row["offset"])
            if value != expected:
                differing[topic, row["partition"], row["offset"]] = (value, expected)
    assert (len(found), differing) == (len(places), {})


def test_texts_have_the_same_content_id_in_spark_sql_and_in_python(spark):
    letters = ["", "a", "b", "ab", ":", "1:a", "\x1f", "a\x1fb", "\x00", "'", "é", "\N{SNOWMAN}", "\N{GRINNING FACE}x"]
    lists = [[], *([one] for one in letters), *([one, two] for one in letters for two in letters), letters]
    frame = spark.createDataFrame([(parts,) for parts in lists], "parts array<string>")

    found = frame.selectExpr("parts", f"{content_id_sql('parts')} as id").collect()

    assert {row["id"] for row in found} == {content_id(*parts) for parts in lists}
    assert [row["id"] for row in found] == [content_id(*row["parts"]) for row in found]


RECORDS = [
    '{"id": 1, "amount": "9.50"}', '{"amount": null, "id": {"amount": 1}}', '{"b": [1], "B": 2, "a": 3}', "{}",
    '{"a": 1, "a": 2}', '{"": 0}', '{"a\\u001fb": 0}', '{"a": 0, "b": 0}', '{"é": 0, "\\u2603": 0, "z": 0}',
    '{"\\ud83d\\ude00": 0, "\\uffff": 0}', '{"\\ud800": 0}', '{"x:1": 0, "1:x": 0}', '["id"]', '"id"', "17",
]  # fmt: skip


def test_a_record_has_the_same_fingerprint_from_a_topic_and_as_the_first_line_of_a_file(spark):
    rows = [(bytearray(record.encode()), 0, place, 1) for place, record in enumerate(RECORDS)]
    frame = spark.createDataFrame(rows, "value binary, `partition` int, `offset` bigint, append_time_ms bigint")

    raw = log_rows(frame, "shop.orders", "log-shop.orders-0", 2).orderBy("offset").collect()

    of_files = [content_id(*JsonLines().names(record)) for record in RECORDS]
    differing = {
        record: (row["fingerprint"], of_file)
        for record, row, of_file in zip(RECORDS, raw, of_files, strict=True)
        if row["fingerprint"] != of_file
    }
    assert differing == {}
    assert len(set(of_files)) == len({tuple(sorted(json.loads(r))) if r[0] == "{" else () for r in RECORDS})


def test_a_lot_is_the_same_number_in_spark_sql_and_in_python(spark):
    keys = ["", "a", "file/-1/7", "it's", "\\", "é", "\N{SNOWMAN}", "\N{GRINNING FACE}x", *map(str, range(200))]
    seeds = [0, 1, -7, 2**63]
    frame = spark.createDataFrame([(key,) for key in keys], "key string")

    found = frame.selectExpr(
        "key", *(f"{lot_sql(seed, 'key')} as `{place}`" for place, seed in enumerate(seeds))
    ).collect()

    assert [tuple(row) for row in found] == [(key, *(lot(seed, key) for seed in seeds)) for key in keys]
