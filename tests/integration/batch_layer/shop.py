"""A small project whose tables are written by hand: orders by file and by log, and refunds that tell what came of them.

Few customers, shops and moments, so that ties, empty windows and edges are common.
"""

import random
import uuid
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

from confluent_kafka.admin import AdminClient, NewTopic

from lambda_core.bootstrap import assemble
from lambda_core.clock import FixedClock
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.features.definition import compile_definition
from lambda_core.repositories.log import producer
from lambda_core.schemas import tables
from tests.laws.oracle import Ask, Event
from tests.laws.worlds import settings_of

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
T0 = 1_700_000_000_000 - 1_700_000_000_000 % DAY_MS
SPAN_MS = 60 * DAY_MS
NOW_MS = T0 + SPAN_MS + DAY_MS

EVERYTHING = ["count", "sum", "mean", "variance", "min", "max", "latest"]
NOTED, BIG, SOME = "note is not null and note <> ''", "amount > 20", "items > 0"
CONDITIONS = {
    NOTED: lambda row: bool(row["note"]),
    BIG: lambda row: None if row["amount"] is None else row["amount"] > 20,
    SOME: lambda row: None if row["items"] is None else row["items"] > 0,
}
"""Spark SQL -> what it says of a row."""
WITH_SETTINGS = [
    {"name": "big", "where": BIG, "condition": SOME, "aggregations": ["count", "share"], "windows": ["3d"]},
    {"column": "amount", "aggregations": ["first", "stddev", "distinct"], "precision": 4},
    {
        "column": "amount",
        "aggregations": ["histogram", "shares", "quantiles"],
        "bins": [-1, 0.5, 50],
        "quantiles": [0.5, 0.9],
        "windows": ["20d", "all"],
    },
    {"column": "weight", "aggregations": ["decayed_sum"], "half_life": "6h", "expiry": "3d", "windows": ["20d"]},
    {"column": "weight", "aggregations": ["last_n"], "last": 3, "expiry": "5d"},
    {"column": "items", "aggregations": ["distinct", "histogram"], "categories": [0, -1]},
    {"column": "note", "aggregations": ["first", "last_n", "distinct"], "last": 2},
    {"column": "note", "aggregations": ["histogram"], "categories": ["", "it's", "x"], "windows": ["3d"]},
    {"name": "said", "where": NOTED, "column": "note", "aggregations": ["latest"], "expiry": "2d"},
]
"""What takes settings, sees some of the rows, expires, or answers a list, over windows and over all of history."""
COLUMNS = "id string, customer string, shop string, amount decimal(18,2), weight double, items bigint, note string"
SCHEMA = f"{COLUMNS}, ordered timestamp, {tables.PREPARED_COLUMNS}"


def declared(name, known_by="event_time"):
    """The settings of the project; every test takes a name of its own."""
    blocks = [
        {"aggregations": ["count"], "windows": ["1h", "1d", "30d"]},
        {"column": "amount", "aggregations": EVERYTHING, "windows": ["2h", "3d"]},
        {"column": "weight", "aggregations": EVERYTHING, "windows": ["1d", "20d"]},
        {"column": "items", "aggregations": EVERYTHING, "windows": ["1d", "30d"]},
        {"column": "note", "aggregations": ["count", "latest"], "windows": ["1d"]},
    ]
    columns = {
        "id": {"type": "string"},
        "customer": {"type": "string"},
        "shop": {"type": "string"},
        "amount": {"type": "decimal", "scale": 2},
        "weight": {"type": "float"},
        "items": {"type": "integer"},
        "note": {"type": "string"},
    }
    source = {
        "topic": f"{name}.orders",
        "known_by": known_by,
        "columns": columns,
        "derive": {"ordered": {"type": "timestamp", "expression": "timestamp_millis(0)"}},
        "event_time": "ordered",
    }
    split = {"train_from": "2023-11-15T00:00:00Z", "test_from": "2023-12-20T00:00:00Z"}
    model = {"feature_set": "order", "label": "refunded", "partition_by": "shop"}
    model |= {"split": {"strategy": "by_time", "parameters": split}}
    return {
        "project": name,
        "view": {"period": "1h", "lookback": "2d"},
        "sources": {"orders": source, "refunds": {**source, "topic": f"{name}.refunds"}},
        "entities": {"customer": {"keys": ["customer"]}, "visit": {"keys": ["shop", "customer"]}},
        "feature_groups": {
            "by_customer": {"source": "orders", "entity": "customer", "features": blocks},
            "by_visit": {"source": "orders", "entity": "visit", "features": blocks[:2] + WITH_SETTINGS},
        },
        "feature_sets": {
            "order": {
                "asked_by": "orders",
                "where": "amount >= 0 or amount is null",
                "request_features": {"size": {"expression": "items * 2", "type": "integer"}},
                "groups": ["by_customer", "by_visit"],
            }
        },
        "labels": {"refunded": {"source": "refunds", "value": "items", "join": ["id"], "delay": "2d"}},
        "models": {"refunds": {**model, "algorithm": {"strategy": "lightgbm"}, "baseline": {"strategy": "isotonic"}}},
    }


def plain(name):
    """The same settings with one small group, for what has nothing to do with values."""
    settings = declared(name)
    counted = {"source": "orders", "entity": "customer", "features": [{"aggregations": ["count"], "windows": ["1d"]}]}
    settings["feature_groups"] = {"by_customer": counted}
    settings["feature_sets"]["order"]["groups"] = ["by_customer"]
    return settings


def new_name():
    return f"shop_{uuid.uuid4().hex[:8]}"


def context_of(spark, folder: Path, settings=None, *, store=None, broker=None):
    """A context with tables of its own, the shared Spark and the shared servers; its clock stands."""
    project = Project.model_validate(settings or declared(new_name()))
    environment = Environment(
        redis=store.url if store else "redis://127.0.0.1:1/0",
        kafka=broker.address if broker else "127.0.0.1:1",
        state=folder,
    )
    context = assemble(project, environment, FixedClock(NOW_MS))
    context.builders |= {"spark": lambda _: spark, "definition": lambda own: compile_definition(own.project)}
    return context


def orders(seed, count=400, late_ms=3 * DAY_MS):
    """Prepared rows as dicts: half of them from a file, the others from two partitions of a log."""
    draw = random.Random(seed)
    rows = []
    for number in range(count):
        partition = draw.choice([-1, -1, 0, 1])
        event_ms = T0 + draw.randrange(0, SPAN_MS, 5 * MINUTE_MS if draw.random() < 0.5 else 1)
        append_ms = min(event_ms + draw.choice([0, draw.randrange(late_ms)]), NOW_MS - 2 * HOUR_MS)
        row = {"id": f"o{number}", "customer": draw.choice(["ann", "b|b", "}c", "dee", None])}
        row |= {"shop": draw.choice(["north", "south"]), "items": draw.choice([None, draw.randrange(-9, 9)])}
        row |= {"amount": draw.choice([None, Decimal(draw.randrange(-500, 9_999)) / 100])}
        row |= {"weight": draw.choice([None, draw.uniform(-1e3, 1e3)]), "note": draw.choice([None, "", "!", "x"])}
        row |= {"ordered": None, "event_time_ms": event_ms, "period": None if partition < 0 else append_ms // HOUR_MS}
        row |= {"partition": partition, "offset": 0, "append_time_ms": append_ms, "batch_id": "b"}
        row |= {"unique_id": None, "duplicate": "log_from" if draw.random() < 0.03 else None}
        rows.append(row)
    for partition in (-1, 0, 1):
        own = [row for row in rows if row["partition"] == partition]
        for offset, row in enumerate(sorted(own, key=lambda row: row["append_time_ms"])):
            row["offset"] = offset
    return rows


def write(context, rows, source="orders"):
    """Write the rows as prepared, and as many raw records."""
    names = [field.split()[0].strip("`") for field in SCHEMA.split(", ")]
    frame = context.spark.createDataFrame([tuple(row[name] for name in names) for row in rows], SCHEMA)
    context.tables.replace(tables.prepared(source), frame)
    raw = [raw_record(row) for row in rows]
    context.tables.replace(tables.raw(source), context.spark.createDataFrame(raw, tables.RAW_SCHEMA))


def send(context, rows, source="orders"):
    """Make the source's topic anew, with a record for each of the rows that came by it, at its append time."""
    topic, servers = context.project.sources[source].topic, context.environment.kafka
    admin = AdminClient({"bootstrap.servers": servers})
    # The records are old: without this the broker would soon drop them.
    admin.create_topics([NewTopic(topic, 2, config={"retention.ms": "-1"})], operation_timeout=10)[topic].result()
    by_offset = sorted((row for row in rows if row["partition"] >= 0), key=lambda row: row["offset"])
    append(context, [(row["partition"], row["append_time_ms"]) for row in by_offset], source)


def append(context, records, source="orders", value=b"{}"):
    """Append records of this value to the source's topic: (partition, append time)."""
    client = producer(context.environment.kafka)
    for partition, append_ms in records:
        client.produce(context.project.sources[source].topic, value, partition=partition, timestamp=append_ms)
    assert client.flush(10) == 0


def raw_record(row):
    """The raw record that a prepared row was made of, in the order of the schema."""
    origin = "file" if row["partition"] < 0 else "log"
    times = (row["append_time_ms"], row["append_time_ms"])
    return (b"", "json", None, "f", origin, "place", "b", row["partition"], row["offset"], *times)


def events_of(rows, keys):
    """The oracle's events: those that count, by the values of their key columns."""
    return [
        Event(
            partition=row["partition"],
            offset=row["offset"],
            append_ms=row["append_time_ms"],
            event_ms=row["event_time_ms"],
            entity=tuple(row[key] for key in keys),
            values={**row, "amount": None if row["amount"] is None else Fraction(row["amount"])},
        )
        for row in rows
        if row["duplicate"] is None
    ]


def ask_of(group, feature):
    slot, window = group.slots[feature.slot], feature.window
    sees = (lambda event: seen_of(slot, event.values)) if slot.where or slot.condition else None
    return Ask(feature.answer.name, slot.column, window.length_ms, window.hop_ms, settings_of(feature.answer), sees)


def seen_of(slot, row):
    """What a slot sees of a row, worked out by hand; None when it does not see it."""
    if slot.where is not None and not CONDITIONS[slot.where](row):
        return None
    if slot.condition is not None:
        fulfilled = CONDITIONS[slot.condition](row)
        return None if fulfilled is None else int(fulfilled)
    return 1 if slot.column is None else row[slot.column]
