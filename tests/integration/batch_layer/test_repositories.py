"""Tables, databases and places of one's own into raw: every row as one JSON object, exact, and once."""

from __future__ import annotations

import datetime as dt
import json
import os
import random
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.ingestion import Batch, as_records, ingest, shape
from batch_layer.ingestion.rows import numbered
from batch_layer.preparation import prepare
from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.errors import ConfigError, DataError, ServerError

NOW = 1_700_000_000_000


@pytest.fixture
def make(spark, tmp_path: Path):
    """A context of one source, `orders`, that comes from where the test says."""
    (tmp_path / "data").mkdir()

    def made(**origin):
        source = {"kind": "reference", "columns": {"id": {"type": "string"}}, "unique_key": ["id"], **origin}
        project = Project.model_validate({"project": "shop", "sources": {"orders": source}})
        context = assemble(project, Environment(state=tmp_path / "state", data=tmp_path / "data"), FixedClock(NOW))
        context.builders["spark"] = lambda _: spark
        return context

    return made


def records(context) -> list[dict]:
    rows = context.tables.read("raw_orders").orderBy("offset").collect()
    assert [row["offset"] for row in rows] == list(range(len(rows)))
    assert {(row["partition"], row["format"], row["header"]) for row in rows} <= {(-1, "json", None)}
    return [json.loads(bytes(row["value"]), parse_float=Decimal) for row in rows]


def ids(context) -> list[int]:
    return sorted(next(value for key, value in record.items() if key.lower() == "id") for record in records(context))


def test_a_row_is_one_object_with_sorted_keys_and_exact_values(spark):
    frame = spark.sql(
        """select 9223372036854775807L as big, cast(0.0000001 as decimal(38,18)) as tiny, cast(0 as decimal(20,10)) as zero,
        cast('12345678901234567890.123456789012345678' as decimal(38,18)) as long, 0.1D as float, double('NaN') as not_one,
        float('-Infinity') as below, timestamp'2024-05-01 09:30:00.5+02:00' as moment, X'00ff' as bytes,
        timestamp_ntz'2024-05-01 09:30:00' as local, date'2024-05-01' as day, cast(null as string) as `no.thing`,
        array(timestamp'2024-05-01 00:00:00', null) as list, map('k', 1.10) as map, named_struct('q', 'é"') as inner"""
    )

    text = bytes(as_records(frame).first()["value"]).decode()

    assert text == (
        '{"below":"-Infinity","big":9223372036854775807,"bytes":"AP8=","day":"2024-05-01","float":0.1,"inner":{"q":"é\\""},'
        '"list":["2024-05-01T00:00:00.000000Z",null],"local":"2024-05-01T09:30:00.000000",'
        '"long":12345678901234567890.123456789012345678,"map":{"k":1.1},"moment":"2024-05-01T07:30:00.500000Z",'
        '"no.thing":null,"not_one":"NaN","tiny":0.0000001,"zero":0}'
    )


def test_random_rows_read_back_as_the_same_values(spark):
    draw = random.Random(7)
    rows = [
        (
            number,
            Decimal(draw.randrange(-(10**28), 10**28) // 10 ** draw.choice([0, 9, 25])).scaleb(-8),
            draw.choice([None, draw.uniform(-1, 1) * 10 ** draw.randrange(-300, 300)]),
            draw.choice([None, "", 'a"\n\\', "Zoë\N{GRINNING FACE}"]),
            dt.datetime.fromtimestamp(draw.randrange(-(10**9), 10**10), dt.UTC)
            + dt.timedelta(microseconds=draw.randrange(10**6)),
        )
        for number in range(300)
    ]
    frame = spark.createDataFrame(rows, "n bigint, d decimal(38,8), f double, s string, t timestamp").repartition(3)

    found = [json.loads(bytes(row["value"]), parse_float=Decimal) for row in as_records(frame).collect()]

    expected = {row[0]: row for row in rows}
    assert len(found) == 300
    for one in found:
        _, exact, floating, text, moment = expected[one["n"]]
        assert Decimal(one["d"]) == exact
        assert (one["f"] if one["f"] is None else float(one["f"])) == floating
        assert one["s"] == text
        assert dt.datetime.fromisoformat(one["t"]) == moment


def test_rows_are_numbered_without_gaps_whatever_tasks_hold_them(spark):
    frame = spark.range(0, 100, 1, 7).where("id % 10 = 9 or id between 20 and 29 or id > 95").selectExpr("id as value")
    expected = frame.count()

    numbers, kept = numbered(frame)

    assert sorted(row["number"] for row in numbers.collect()) == list(range(expected))
    assert numbered(spark.range(0).selectExpr("id as value"))[0].collect() == []
    kept.unpersist()


def test_rows_that_could_not_be_read_are_not_kept_for_who_asks_again(spark):
    frame = spark.range(3).selectExpr("raise_error('gone') as value")

    with pytest.raises(PySparkException, match="gone"):
        numbered(frame)

    assert not frame.withColumn("_place", F.monotonically_increasing_id()).storageLevel.useDisk


def test_parquet_files_arrive_row_by_row_and_once_under_any_name(make):
    context = make(files={"path": "*.parquet", "format": "parquet"})
    rows = context.spark.createDataFrame([(1, Decimal("1.10")), (2, None)], "id bigint, price decimal(9,2)").toPandas()
    rows.to_parquet(context.environment.data / "a.parquet")

    first = ingest(context)
    (context.environment.data / "b.parquet").write_bytes((context.environment.data / "a.parquet").read_bytes())
    again = ingest(context)

    assert [(one["id"], one["price"]) for one in records(context)] == [(1, Decimal("1.1")), (2, None)]
    assert (first.rows_added, again.rows_added) == (2, 0)
    assert {one.batch_id for one in again.batches} == {first.batches[0].batch_id}


def test_what_is_no_parquet_is_told(make):
    context = make(files={"path": "*.parquet", "format": "parquet"})
    (context.environment.data / "a.parquet").write_bytes(b"id\n1\n")

    with pytest.raises(DataError, match="expected a Parquet file"):
        ingest(context)


def test_unsigned_numbers_of_a_parquet_file_arrive_to_the_last_digit(make):
    context = make(files={"path": "*.parquet", "format": "parquet"})
    columns = {f"u{bits}": pa.array([2**bits - 1, None], f"uint{bits}") for bits in (8, 16, 32, 64)}
    pq.write_table(pa.table(columns), context.environment.data / "a.parquet")

    ingest(context)

    assert records(context) == [{f"u{bits}": 2**bits - 1 for bits in (8, 16, 32, 64)}, dict.fromkeys(columns)]


def test_a_parquet_file_whose_rows_are_garbled_is_told(make):
    context = make(files={"path": "*.parquet", "format": "parquet"})
    path = context.environment.data / "a.parquet"
    pq.write_table(pa.table({"id": range(1_000)}), path, compression="none")
    text = path.read_bytes()
    path.write_bytes(text[:4] + b"\xff" * 2_000 + text[2_004:])

    with pytest.raises(DataError, match=r"a\.parquet: expected rows that Spark can read, found: .*; write it anew"):
        ingest(context)


def append(context, path, *numbers):
    frame = context.spark.createDataFrame([(number,) for number in numbers], "id bigint").coalesce(1)
    frame.write.format("delta").mode("append").save(str(context.environment.data / path))


def test_versions_of_a_delta_table_are_read_once_and_rewritten_files_are_not_new(make):
    context = make(delta={"path": "orders"})
    append(context, "orders", 1, 2)
    assert ingest(context).rows_added == 2
    append(context, "orders", 3)
    append(context, "orders", 4)
    context.spark.sql(f"optimize delta.`{context.environment.data / 'orders'}`")
    append(context, "orders", 4)

    report = ingest(context)

    assert [one.rows for one in report.batches] == [2, 1]
    assert ids(context) == [1, 2, 3, 4, 4]
    assert ingest(context).batches == ()
    assert ingest(context, full=True).rows_added == 0


def test_a_delta_table_whose_rows_change_is_read_whole_and_adds_what_raw_lacks(make):
    context = make(delta={"path": "orders"})
    append(context, "orders", 1, 2, 2)
    ingest(context)
    context.spark.sql(f"update delta.`{context.environment.data / 'orders'}` set id = 7 where id = 1")

    with pytest.raises(DataError, match="changes or deletes rows; say `mode: full`"):
        ingest(context)

    assert ingest(context, full=True).rows_added == 1
    assert ids(context) == [1, 2, 2, 7]
    append(context, "orders", 8)
    assert ingest(context).rows_added == 1


def test_a_missing_delta_table_says_where_it_was_expected(make):
    with pytest.raises(DataError, match=r"Delta table .*orders: expected a Delta table"):
        ingest(make(delta={"path": "orders"}))


def test_a_delta_table_that_lacks_a_file_is_told(make):
    context = make(delta={"path": "orders"})
    append(context, "orders", 1)
    for path in (context.environment.data / "orders").glob("*.parquet"):
        path.unlink()

    with pytest.raises(
        DataError, match=r"Delta table .*: expected rows that Spark can read, found: .*; restore its files"
    ):
        ingest(context)


@pytest.fixture
def derby(spark, tmp_path):
    """A table `orders` (ID, PRICE) in a database of the session's own JVM, and how to add to it."""
    url = f"jdbc:derby:memory:shop{uuid.uuid4().hex[:8]};create=true"

    def add(*numbers):
        rows = [(number, Decimal(number) / 10) for number in numbers]
        frame = spark.createDataFrame(rows, "ID bigint, PRICE decimal(9,3)").coalesce(1)
        frame.write.format("jdbc").options(url=url, dbtable="orders").mode("append").save()

    return url, add


@pytest.mark.parametrize("partitions", [1, 2])
def test_rows_of_a_database_are_read_above_the_greatest_value_read_before(make, derby, partitions):
    url, add = derby
    context = make(jdbc={"url": url, "table": "orders", "ascending": "ID", "partitions": partitions})
    add(1, 2, 3)

    first = ingest(context)
    nothing = ingest(context)
    add(5, 9)
    second = ingest(context)
    everything = ingest(context, full=True)

    assert (first.rows_added, nothing.batches, second.rows_added, everything.rows_added) == (3, (), 2, 0)
    assert [(one["ID"], one["PRICE"]) for one in records(context)][:1] == [(1, Decimal("0.1"))]
    assert ids(context) == [1, 2, 3, 5, 9]
    place = context.tables.read("raw_orders").orderBy("offset").collect()[-1]["place"]
    assert place == "orders@9"


def test_a_query_without_an_ascending_column_adds_the_rows_that_raw_lacks(make, derby):
    url, add = derby
    context = make(jdbc={"url": url, "query": "select ID, PRICE from orders where ID < 100"})
    add(1, 1)
    ingest(context)
    add(1, 2, 100)

    assert ingest(context).rows_added == 2
    assert ingest(context).rows_added == 0
    assert ids(context) == [1, 1, 1, 2]


def test_a_database_that_refuses_is_told_without_the_password(make, monkeypatch):
    secrets = {"user_from": "SHOP_USER", "password_from": "SHOP_PASSWORD"}
    context = make(jdbc={"url": "jdbc:derby:memory:nowhere", "table": "orders", **secrets})

    with pytest.raises(ConfigError, match="SHOP_USER to be set"):
        ingest(context)

    monkeypatch.setitem(os.environ, "SHOP_USER", "ann")
    monkeypatch.setitem(os.environ, "SHOP_PASSWORD", "nowhere")
    with pytest.raises(ServerError, match="expected rows of orders from jdbc:derby:memory:nowhere, found") as refused:
        ingest(context)
    assert "'memory:***'" in str(refused.value)


def test_a_database_that_fails_while_its_rows_are_read_is_told_without_the_password(make, derby, monkeypatch):
    url, add = derby
    monkeypatch.setitem(os.environ, "SHOP_PASSWORD", "zero")
    query = "select ID, 10 / (ID - 2) as SHARE from orders"
    context = make(jdbc={"url": url, "query": query, "password_from": "SHOP_PASSWORD"})
    add(1, 2)

    with pytest.raises(
        ServerError, match=r"expected rows of the query from jdbc:derby.*, found: .* by \*\*\*\.; start"
    ) as told:
        ingest(context)

    assert told.value.__suppress_context__
    assert told.value.__cause__ is None


def parquet(context, _):
    context.spark.createDataFrame([(1,)], "ID bigint").toPandas().to_parquet(context.environment.data / "a.parquet")


def delta(context, _):
    frame = context.spark.createDataFrame([(1,)], "ID bigint")
    frame.write.format("delta").save(str(context.environment.data / "orders"))


def database(_, add):
    add(1)


def lines(context, _):
    (context.environment.data / "a.json").write_text('{"ID": 1}\n')


@pytest.mark.parametrize(
    ("put", "origin"),
    [
        (parquet, {"files": {"path": "*.parquet", "format": "parquet"}}),
        (delta, {"delta": {"path": "orders"}}),
        (database, {"jdbc": {"table": "orders"}}),
        (lines, {"files": {"path": "*.json", "format": "json"}}),
    ],
)
def test_a_column_that_a_place_calls_otherwise_is_told_when_it_is_prepared(make, derby, put, origin):
    url, add = derby
    if "jdbc" in origin:
        origin = {"jdbc": {**origin["jdbc"], "url": url}}
    context = make(**origin)
    put(context, add)
    ingest(context)

    (report,) = prepare(context).sources

    assert report.accepted == 1
    (said,) = report.findings
    assert (
        "id: expected a field 'id' in some record, found it in none of 1, and a field 'ID' that no column takes;"
        in said
    )
    assert "declare `sources.orders.columns.id.field: ID`" in said


class Countdown:
    """A place of one's own: numbers from `begin` on, up to a file that says how far."""

    def __init__(self, begin: int) -> None:
        self._begin = begin

    def batches(self, request):
        end = int((Path(request.folder) / "end").read_text())
        last = None if request.full else request.since("countdown")
        begin = self._begin if last is None else int(last)
        frame = request.spark.range(begin, end).withColumnRenamed("id", "id")
        if begin < end:
            yield Batch(f"{begin:08}{end:08}", "countdown", shape(frame.schema), lambda: as_records(frame), str(end))


def test_a_repository_of_one_s_own_is_named_by_its_dotted_path(make, monkeypatch):
    monkeypatch.setattr("batch_layer.ingestion.strategy.Countdown", Countdown, raising=False)
    context = make(repository={"strategy": "batch_layer.ingestion.strategy.Countdown", "parameters": {"begin": 3}})
    end = context.environment.data / "end"

    end.write_text("5")
    first = ingest(context)
    end.write_text("6")
    second, third = ingest(context), ingest(context)

    assert (first.rows_added, second.rows_added, third.batches) == (2, 1, ())
    assert ids(context) == [3, 4, 5]
