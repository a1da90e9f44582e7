"""Messages drive the chain on a real broker: one that says that data came ends in generated features, whatever else comes."""

from __future__ import annotations

import uuid
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Event, Thread

import msgspec
import pytest

from batch_layer.listening import Speaker, listen
from jobs.listen import stage_of
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.repositories.log import consumer, producer
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.schemas.messages import (
    DATA_AVAILABLE,
    DATA_EXTRACTED,
    DATA_PREPARED,
    FEATURES_GENERATED,
    STEP_FAILED,
    Said,
)

pytestmark = [pytest.mark.servers, pytest.mark.slow]
WAIT_S = 240


@pytest.fixture
def context(spark, store, broker, tmp_path: Path):
    """Orders in a file, and customers that they look up in another one; features count orders."""
    text, number = {"type": "string"}, {"type": "integer"}
    orders = {
        "files": {"path": "orders/*.csv"},
        "columns": {"id": text, "customer": text, "day": number},
        "lookups": {"its": {"source": "customers", "key": "customer", "take": {"town": "home"}}},
        "derive": {"at": {"type": "timestamp", "expression": "timestamp_millis(day * 86400000L)"}},
        "event_time": "at",
    }
    customers = {"kind": "reference", "files": {"path": "customers.csv"}, "columns": {"id": text, "home": text}}
    settings = {
        "project": f"listened_{uuid.uuid4().hex[:8]}",
        "sources": {"orders": orders, "customers": {**customers, "unique_key": ["id"]}},
        "entities": {"customer": {"keys": ["customer"]}},
        "feature_groups": {
            "by_customer": {
                "source": "orders",
                "entity": "customer",
                "features": [{"aggregations": ["count"], "windows": ["30d"]}],
            }
        },
    }
    environment = Environment(state=tmp_path / "state", data=tmp_path, kafka=broker.address, redis=store.url)
    made = assemble(Project.model_validate(settings), environment)
    made.builders["spark"] = lambda _: spark
    (tmp_path / "orders").mkdir()
    (tmp_path / "orders" / "1.csv").write_text("id,customer,day\na,ann,19000\nb,bob,19001\n")
    (tmp_path / "customers.csv").write_text("id,home\nann,north\nbob,south\n")
    return made


@contextmanager
def listening(context):
    """A listener beside the test; what it counted is in the list once it has ended."""
    stop, counts = Event(), []
    thread = Thread(target=lambda: counts.append(listen(context, stage_of, stop)))
    thread.start()
    try:
        yield counts
    finally:
        stop.set()
        thread.join(60)


def test_one_message_ends_in_generated_features_and_a_repeat_or_a_broken_one_changes_nothing(context):
    speaker = Speaker(context)
    sending = producer(context.environment.kafka)
    sending.produce(speaker.topic, b"{nonsense")
    assert sending.flush(20) == 0
    speaker.say(Said(event=DATA_AVAILABLE, source="customers"))
    speaker.say(Said(event=DATA_AVAILABLE, source="orders"))

    with closing(consumer(context.environment.kafka, speaker.topic, {0: 0})) as reading:
        with listening(context) as counts:
            answers = until(reading, FEATURES_GENERATED)
            speaker.say(Said(event=DATA_AVAILABLE, source="orders"))
            repeated = until(reading, FEATURES_GENERATED)
        first = counts[0]
        (context.environment.data / "orders" / "2.csv").write_text("id,customer,day\nc,cid,19002\n")
        (context.environment.data / "customers.csv").write_text("id,home\ncid,west\n")
        speaker.say(Said(event=DATA_AVAILABLE, source="orders"))
        speaker.say(Said(event=DATA_AVAILABLE, source="customers"))
        with listening(context) as counts:
            second_day = until(reading, FEATURES_GENERATED)
        joined = counts[0]
        (context.environment.data / "orders" / "1.csv").unlink()
        (context.environment.data / "orders" / "2.csv").unlink()
        speaker.say(Said(event=DATA_AVAILABLE, source="orders"))
        with listening(context) as counts:
            failed = until(reading, STEP_FAILED)
        second = counts[0]

    assert steps(answers) == [
        (DATA_EXTRACTED, "customers", 2),
        (DATA_EXTRACTED, "orders", 2),
        (DATA_PREPARED, "customers", 2),
        (DATA_PREPARED, "orders", 2),
        (FEATURES_GENERATED, "orders", answers[-1].rows),
    ]
    extracted = next(said for said in answers if (said.event, said.source) == (DATA_EXTRACTED, "orders"))
    prepared, generated = answers[-2:]
    assert (extracted.rows, len(extracted.batch_ids), extracted.table, extracted.version) == (2, 1, "raw_orders", 0)
    assert (prepared.rows, prepared.table) == (2, "prepared_orders")
    assert generated.rows == repeated[-1].rows
    assert len({said.run_id for said in answers[-3:]}) == 1
    assert extracted.asked_by == f"{speaker.topic}/0/2"
    again = [(said.event, said.rows) for said in repeated if said.event in {DATA_EXTRACTED, DATA_PREPARED}]
    assert again == [(DATA_EXTRACTED, 0), (DATA_PREPARED, 0)]
    assert steps(second_day) == [
        (DATA_EXTRACTED, "customers", 1),
        (DATA_EXTRACTED, "orders", 1),
        (DATA_PREPARED, "customers", 3),
        (DATA_PREPARED, "orders", 3),
        (FEATURES_GENERATED, "customers", second_day[-1].rows),
    ]
    asked = {said.source: said.asked_by for said in second_day if said.event == DATA_EXTRACTED}
    assert (second_day[-1].asked_by, second_day[-1].also_asked_by) == (asked["customers"], [asked["orders"]])
    assert FEATURES_GENERATED not in [said.event for said in failed], "one publication for both"
    assert (joined.followed, joined.failed) == (2, 0)
    assert (first.followed, first.failed, first.broken) == (3, 0, 1)
    assert (second.followed, second.failed, second.broken) == (0, 1, 0), "the position was kept"
    assert "ingestion: DataError: source orders: expected a file" in failed[-1].error
    pointer = PointerRepository(context.redis, context.keys).get()
    assert pointer is not None
    assert pointer.current.generation == second_day[-1].view


def steps(heard):
    """Return (event, source, rows) of the answers; those of ingestion, which is side by side, in the order of names."""
    answers = [(said.event, said.source, said.rows) for said in heard if said.event != DATA_AVAILABLE]
    extracted = [answer for answer in answers if answer[0] == DATA_EXTRACTED]
    return [*sorted(extracted), *(answer for answer in answers if answer not in extracted)]


def until(reading, event):
    """Return what is said up to the first message of this kind, which is the last one."""
    found = []
    for _ in range(WAIT_S):
        message = reading.poll(1)
        if message is None or message.error() is not None or message.value() == b"{nonsense":
            continue
        found.append(msgspec.json.decode(message.value(), type=Said))
        if found[-1].event == event:
            return found
        assert found[-1].event != STEP_FAILED, found[-1].error
    raise AssertionError(f"expected {event!r} within {WAIT_S} s, found {found}")
