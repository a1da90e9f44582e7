import math
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
from pyspark.sql import functions as F  # noqa: N812 - as Spark's own documentation names it

from batch_layer.publishing import publish, revert
from batch_layer.publishing.batch_values import BatchValues
from batch_layer.publishing.filling import ForSeconds
from batch_layer.publishing.publish import PublicationReport
from batch_layer.publishing.retiring import LIFE_SECONDS
from lambda_core.config.project import Project
from lambda_core.context import RunContext
from lambda_core.errors import GateError, GuardError, PointerMovedError, PositionError
from lambda_core.features.keys import entity_key
from lambda_core.repositories.log import KafkaTopics, producer
from lambda_core.repositories.pointers import PointerRepository
from lambda_core.repositories.view_store import ViewStore
from lambda_core.schemas import tables
from lambda_core.schemas.messages import UPDATES, topic
from lambda_core.views.packing import unpack
from lambda_core.views.reading import read_group
from tests.integration.batch_layer import shop
from tests.integration.kafka_topics import delete_topic
from tests.laws import oracle

pytestmark = pytest.mark.servers


@dataclass
class World:
    """What was prepared of the shop's orders, and a topic that holds as much."""

    context: RunContext
    rows: list[dict]
    last: PublicationReport | None = None

    def publish(self) -> PublicationReport:
        self.last = publish(self.context)
        return self.last

    @property
    def pointers(self) -> PointerRepository:
        return PointerRepository(self.context.redis, self.context.keys)

    @property
    def topic(self) -> str:
        return self.context.project.sources["orders"].topic

    def append_times(self, partition: int) -> list[int]:
        return [row["append_time_ms"] for row in self.rows if row["partition"] == partition]


@pytest.fixture(scope="module")
def published(spark, store, broker, tmp_path_factory):
    """All kinds of features, published once. Leave the view and its tables as they are."""
    context = shop.context_of(spark, tmp_path_factory.mktemp("published"), store=store, broker=broker)
    world = World(context, shop.orders(seed=11))
    shop.write(context, world.rows)
    shop.send(context, world.rows)
    yield world, world.publish()
    forget(context)


@pytest.fixture(scope="module")
def written(spark, tmp_path_factory):
    """The tables of a world with one small group, and their rows."""
    context, rows = shop.context_of(spark, tmp_path_factory.mktemp("written")), shop.orders(seed=11)
    shop.write(context, rows)
    return context.environment.tables, rows


@pytest.fixture
def world(spark, store, broker, written, tmp_path):
    """Such tables, and a topic, for one test alone."""
    made = copied(spark, written, tmp_path, store=store, broker=broker)
    yield made
    forget(made.context)


@pytest.fixture(scope="module")
def shared(spark, store, broker, written, tmp_path_factory):
    """Such tables, and a topic, for many tests."""
    made = copied(spark, written, tmp_path_factory.mktemp("shared"), store=store, broker=broker)
    yield made
    forget(made.context)


@pytest.fixture
def twice(shared):
    """Such tables, published at least twice: a view, and one before it. Publish, revert or empty the store."""
    while shared.pointers.get() is None or shared.pointers.get().previous is None:
        shared.publish()
    return shared


def copied(spark, written, folder, expectations=(), **servers):
    (tables_of, rows), settings = written, shop.plain(shop.new_name())
    settings["sources"]["orders"]["expectations"] = list(expectations)
    context = shop.context_of(spark, folder, settings, **servers)
    shutil.copytree(tables_of, context.environment.tables)
    shop.send(context, rows)
    return World(context, rows)


def forget(context):
    for key in context.redis.scan_iter(match=f"ms:{context.project.project}:*"):
        context.redis.delete(key)


def covered(rows, horizon):
    return [row for row in rows if row["period"] is None or row["period"] < horizon]


def view_of(context, group, entity):
    """What serving reads of an entity: the bytes under the current generation."""
    pointer = PointerRepository(context.redis, context.keys).get()
    packed = context.redis.get(context.keys.batch(group, entity, pointer.current.generation))
    return None if packed is None else unpack(packed)


def test_what_serving_reads_of_the_batch_view_is_the_batch_formula(published):
    (world, report), draw, compared = published, random.Random(5), 0
    context, rows = world.context, covered(world.rows, report.horizon)
    last_ms = max(row["event_time_ms"] for row in rows if row["duplicate"] is None)

    assert report.lookback_from_ms == last_ms - 2 * shop.DAY_MS
    for group in context.definition.groups.values():
        events = shop.events_of(rows, group.key_columns)
        for row in draw.sample([row for row in world.rows if row["customer"]], 12):
            entity = tuple(row[key] for key in group.key_columns)
            own = [event for event in events if event.entity == entity]
            for _ in range(4):
                t_ms = draw.randrange(report.lookback_from_ms, last_ms + 5 * shop.DAY_MS)
                key = entity_key(entity)
                reading = read_group(group, key, view_of(context, group.name, key), [], t_ms)
                if not reading.provenance.edge:
                    compared += compare(group, reading.values, own, t_ms)
    assert compared > 1_000


def compare(group, values, events, t_ms):
    for feature in group.features:
        ask = shop.ask_of(group, feature)
        expected, found = oracle.value(ask, events, t_ms), values[feature.name]
        if oracle.is_floating(ask, expected) and found is not None:
            size = oracle.magnitude(ask, oracle.in_window(events, ask, t_ms), t_ms)
            assert math.isclose(found, expected, rel_tol=0, abs_tol=1e-9 * max(size, 1e-9)), feature.name
        else:
            assert found == expected, (feature.name, t_ms)
    return len(group.features)


def test_a_view_reaches_no_further_than_what_was_prepared(world):
    times = world.append_times(1)
    first = len(times) - 20
    prepared = world.context.tables.read(tables.prepared("orders")).where(f"not (partition = 1 and offset >= {first})")
    world.context.tables.replace(tables.prepared("orders"), prepared)

    report = world.publish()

    assert report.horizon == sorted(times)[first] // shop.HOUR_MS < (shop.NOW_MS - shop.MINUTE_MS) // shop.HOUR_MS


def test_a_topic_without_anything_new_lets_the_clock_choose_the_horizon(published):
    _, report = published

    assert report.horizon == (shop.NOW_MS - shop.MINUTE_MS) // shop.HOUR_MS


def test_horizons_do_not_go_back(published):
    world, _ = published
    shop.append(world.context, [(0, shop.T0)])

    with pytest.raises(GuardError, match="let the raw writer catch up"):
        world.publish()


def test_a_topic_made_again_under_its_name_is_refused(world):
    delete_topic(world.context.environment.kafka, world.topic)
    KafkaTopics(world.context.environment.kafka).create({world.topic: 2})

    with pytest.raises(PositionError, match="made again under its name"):
        world.publish()


def test_raw_records_that_were_never_prepared_stop_the_publication(world):
    context = world.context
    frame = context.tables.read(tables.prepared("orders")).where("not (partition = -1 and offset = 3)")
    context.tables.replace(tables.prepared("orders"), frame)

    with pytest.raises(GuardError, match="run preparation"):
        world.publish()
    assert world.pointers.get() is None


def test_rows_that_miss_what_is_expected_of_them_are_not_published_whenever_that_is_asked_for(
    spark, store, broker, written, tmp_path
):
    expected = {"expect": "column_values_to_be_between", "arguments": {"column": "items", "max_value": 7}}
    world = copied(spark, written, tmp_path, [expected], store=store, broker=broker)

    for _ in range(2):
        with pytest.raises(GateError, match="source orders: expected column_values_to_be_between of items"):
            world.publish()
    assert world.pointers.get() is None

    rows = world.context.tables.read(tables.prepared("orders"))
    world.context.tables.replace(tables.prepared("orders"), rows.withColumn("items", F.expr("least(items, 7)")))
    assert world.publish().covered
    forget(world.context)


def test_a_revert_goes_back_to_what_was_before_and_the_next_one_forth(twice):
    before = twice.pointers.get()

    report = revert(twice.context)

    assert (report.generation, report.reverted) == (before.previous.generation, before.current.generation)
    assert twice.pointers.get().current.generation == before.previous.generation
    assert view_of(twice.context, "by_customer", "ann") is not None
    assert revert(twice.context).generation == before.current.generation


def test_a_flip_keeps_what_was_current_and_only_what_neither_view_names_gets_an_expiry(twice):
    context, before = twice.context, twice.pointers.get()
    loading = context.keys.batch("by_customer", "ann", f"g{shop.NOW_MS + shop.DAY_MS}")
    context.redis.set(loading, b"somebody is loading this")

    third = twice.publish()

    generations = (before.previous.generation, before.current.generation, third.generation)
    lives = [context.redis.ttl(context.keys.batch("by_customer", "ann", generation)) for generation in generations]
    assert third.previous == before.current.generation < third.generation
    assert twice.pointers.get().previous == before.current
    assert third.epoch == before.current.epoch
    assert 0 < lives[0] <= LIFE_SECONDS
    assert lives[1:] == [-1, -1]
    assert context.redis.ttl(loading) == -1


def test_there_is_nothing_to_revert_to_after_one_publication(published):
    with pytest.raises(GuardError, match="publish first"):
        revert(published[0].context)


def test_the_read_back_tells_a_value_that_is_missing_or_another(twice):
    context, report = twice.context, twice.last
    group = context.definition.groups["by_customer"]
    values = BatchValues(context.environment.redis.get_secret_value(), context.keys, group, report.generation)
    tiles = context.tables.read(tables.tiles("by_customer"))
    key = context.keys.batch("by_customer", "ann", report.generation)
    loaded = report.loaded["by_customer"]
    assert values.read_back(tiles) == loaded

    as_loaded = context.redis.get(key)
    context.redis.append(key, b"x")
    other = values.read_back(tiles)
    context.redis.delete(key)
    fewer = values.read_back(tiles)
    context.redis.set(key, as_loaded)

    assert other.keys == loaded.keys
    assert other.content != loaded.content
    assert fewer.keys == loaded.keys - 1


class Watched(KafkaTopics):
    """Topics during whose second question something happens."""

    def __init__(self, servers: str, happens: Callable[[], object]) -> None:
        super().__init__(servers)
        self._asked, self._happens = 0, happens

    def at_time(self, topic, moment_ms):
        self._asked += 1
        if self._asked == 2:
            self._happens()
        return super().at_time(topic, moment_ms)


def test_a_flip_by_somebody_else_in_between_wins(twice):
    context, before = twice.context, twice.pointers.get()
    topics = Watched(context.environment.kafka, lambda: revert(context))

    with pytest.raises(PointerMovedError):
        publish(context, topics)
    assert twice.pointers.get().current.generation == before.previous.generation


def test_records_that_come_before_the_horizon_while_it_loads_stop_the_flip(world):
    context = world.context
    topics = Watched(context.environment.kafka, lambda: shop.append(context, [(0, shop.T0)]))

    with pytest.raises(GuardError, match="found records that came later"):
        publish(context, topics)
    assert world.pointers.get() is None


def test_a_record_behind_what_was_prepared_that_is_stamped_before_the_horizon_is_noted_as_late(world):
    context, group = world.context, world.context.definition.groups["by_customer"]
    shop.append(context, [(0, shop.NOW_MS), (0, shop.T0)], value=b'{"customer": "ann"}')  # the clock steps back

    report = world.publish()

    wanted = [("by_customer", "ann"), ("by_customer", "dee")]
    found = ViewStore(context.redis, context.keys).read(wanted).entities
    said = [found[one].reader(group, one[1]).read(shop.NOW_MS).provenance.late for one in wanted]
    assert (report.late, said) == (1, [True, False])
    offset, period = len(world.append_times(0)) + 1, shop.T0 // shop.HOUR_MS
    assert context.redis.hgetall(context.keys.late(*wanted[0], report.epoch)) == {b"0:%d" % period: b"%d" % offset}


def test_an_emptied_store_gets_an_epoch_that_was_never_used(twice):
    context, before = twice.context, twice.pointers.get().current.epoch
    forget(context)

    report = twice.publish()

    assert before == f"{context.definition.id}.0"
    assert report.epoch == f"{context.definition.id}.1"
    assert context.redis.smembers(context.keys.mark) == {report.epoch.encode()}


class Filling(ForSeconds):
    """Workers that fill an epoch as soon as somebody waits for it."""

    def __init__(self, context: RunContext) -> None:
        super().__init__(0.2)
        self._context = context

    def until(self, is_so):
        name = topic(self._context.project.project, UPDATES)
        for partition, end in is_so.ends.items():
            self._context.redis.set(self._context.keys.worker(f"{name}@{is_so.epoch}", partition), end)
        return super().until(is_so)


def test_a_changed_definition_answers_once_its_epoch_is_filled_and_the_one_before_until_then(twice):
    context, before = twice.context, twice.pointers.get()
    updates = topic(context.project.project, UPDATES)
    KafkaTopics(context.environment.kafka).create({updates: 1})
    sending = producer(context.environment.kafka)
    sending.produce(updates, b"{}", partition=0)
    assert sending.flush(10) == 0
    settings = context.project.model_dump(by_alias=True)
    settings["view"]["ring"] += 1
    changed = replace(context, project=Project.model_validate(settings))

    with pytest.raises(GuardError, match=rf"{before.current.generation} still answers"):
        publish(changed, waiting=ForSeconds(0.2))
    assert twice.pointers.get() == before
    announced = twice.pointers.coming()
    report = publish(changed, waiting=Filling(changed))

    assert announced.epoch == f"{changed.definition.id}.0"
    assert report.epoch == f"{changed.definition.id}.1"
    assert twice.pointers.get().previous == before.current
