"""What follows messages: steps in order, each said; what fails, waits or is broken stops nothing else."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from queue import Queue

import pytest

from batch_layer.listening.chain import Ask, Chain, ask_of
from batch_layer.listening.schedule import keeping_schedules
from lambda_core.bootstrap import assemble
from lambda_core.config.environment import Environment
from lambda_core.config.project import Project
from lambda_core.errors import DataError
from lambda_core.schemas.messages import DATA_AVAILABLE, STEP_FAILED, Said

ASK = "shop.chain/0/7"


def shop(**more) -> Project:
    """Orders look up shops, which look up towns; visits look up nothing. Features are of orders and visits."""
    column = {"type": "string"}
    event = {
        "files": {"path": "x"},
        "columns": {"id": column, "shop": column},
        "derive": {"at": {"type": "timestamp", "expression": "timestamp_millis(0)"}},
        "event_time": "at",
    }
    reference = {
        "kind": "reference",
        "files": {"path": "x"},
        "columns": {"id": column, "town": column},
        "unique_key": ["id"],
    }
    looks_up = lambda name, key: {"lookups": {"its": {"source": name, "key": key, "take": {"its_id": "id"}}}}  # noqa: E731
    count = {"entity": "one", "features": [{"aggregations": ["count"], "windows": ["1d"]}]}
    sources = {
        "orders": {**event, **looks_up("shops", "shop")},
        "visits": event,
        "shops": {**reference, **looks_up("towns", "town")},
        "towns": reference,
    }
    groups = {"of_orders": {"source": "orders", **count}, "of_visits": {"source": "visits", **count}}
    settings = {"project": "shop", "sources": sources, "entities": {"one": {"keys": ["id"]}}, "feature_groups": groups}
    return Project.model_validate({**settings, **more})


@dataclass
class Memory:
    """Steps that are only noted; raw and prepared tables are sets of names."""

    raw: set = field(default_factory=set)
    prepared: set = field(default_factory=set)
    failing: str | tuple = ""
    done: list = field(default_factory=list)
    said: list = field(default_factory=list)
    answered: list = field(default_factory=list)

    def run(self, stage, sources, *, full):
        if self.failing in (stage, (stage, *sources)):
            return None, DataError("no")
        self.done.append((stage, *sources) + (("full",) if full else ()))
        if stage == "ingestion":
            self.raw |= set(sources)
        if stage == "preparation":
            self.prepared |= set(sources)
        return stage, None

    def side_by_side(self, work, items):
        return list(map(work, items))

    def tell(self, stage, asks, report):
        self.said.append((report, *(ask.source for ask in asks)))

    def say(self, said, asks):
        self.said.append((said.event, said.error))
        self.answered.append([ask.source for ask in asks])

    def has_raw(self, source):
        return source in self.raw

    def is_prepared(self, source):
        return source in self.prepared

    def waits(self, stage, missing):
        self.said.append(("waits", stage, tuple(missing)))


def test_one_message_runs_all_steps_where_all_else_is_prepared():
    steps = Memory(raw={"orders", "shops", "towns"}, prepared={"visits", "shops", "towns"})

    assert Chain(shop()).follow([Ask("orders", ASK, full=True)], steps) == {}

    assert steps.done == [("ingestion", "orders", "full"), ("preparation", "orders"), ("publishing",)]
    assert steps.said == [(stage, "orders") for stage in ("ingestion", "preparation", "publishing")]


def test_features_wait_until_the_last_source_is_prepared_in_any_order_of_messages():
    for order in (("visits", "towns", "shops", "orders"), ("orders", "shops", "visits", "towns")):
        steps, chain = Memory(), Chain(shop())

        published = []
        for source in order:
            chain.follow([Ask(source, ASK)], steps)
            published.append(steps.done.count(("publishing",)))

        assert published == [0, 0, 0, 1]
        assert steps.prepared == {"orders", "visits", "shops", "towns"}


def test_who_looks_a_source_up_is_prepared_with_it():
    steps = Memory(raw={"orders", "shops"}, prepared={"orders", "shops", "visits"})

    Chain(shop()).follow([Ask("towns", ASK)], steps)

    assert steps.done[1] == ("preparation", "towns", "shops", "orders")


def test_who_looks_up_one_that_has_to_wait_is_not_prepared():
    sources = shop().model_dump(exclude_unset=True)["sources"]
    sources["regions"] = sources["towns"]
    sources["shops"]["lookups"]["of"] = {"source": "regions", "key": "town", "take": {"region": "id"}}

    to_prepare = Chain(shop(sources=sources)).to_prepare
    every = {"orders", "shops", "towns"}

    assert to_prepare(["towns"], every.__contains__, every.__contains__) == [("towns",)]
    every.add("regions")
    assert to_prepare(["towns"], every.__contains__, every.__contains__) == [("towns", "shops", "orders")]


def second_day(*sources, failing=""):
    """Follow messages of these sources where all are prepared since yesterday; return what failed, and the steps."""
    every = {"orders", "visits", "shops", "towns"}
    steps = Memory(raw=set(every), prepared=set(every), failing=failing)
    failed = Chain(shop()).follow([Ask(source, f"{ASK}{at}") for at, source in enumerate(sources)], steps)
    return {ask.source: error for ask, error in failed.items()}, steps


def test_on_the_second_day_features_wait_for_all_messages_that_are_followed_together():
    failed, steps = second_day("orders", "shops", "visits")

    assert failed == {}
    assert steps.done == [
        *(("ingestion", source) for source in ("orders", "shops", "visits")),
        *(("preparation", *group) for group in (("orders", "shops"), ("visits",))),
        ("publishing",),
    ]
    assert steps.said[3:] == [
        ("preparation", "orders", "shops"),
        ("preparation", "visits"),
        ("publishing", "orders", "shops", "visits"),
    ]


def test_a_source_asked_for_twice_is_ingested_once_and_in_full_if_one_asks_so():
    steps = Memory(prepared={"orders", "shops", "towns"})

    Chain(shop()).follow([Ask("visits", "a", full=True), Ask("visits", "b")], steps)

    assert steps.done == [("ingestion", "visits", "full"), ("preparation", "visits"), ("publishing",)]
    assert steps.said[0] == ("ingestion", "visits", "visits")


@pytest.mark.parametrize("stage", ["ingestion", "preparation"])
def test_a_source_that_fails_stops_no_other_one_but_features_are_not_made_without_it(stage):
    failed, steps = second_day("orders", "visits", failing=(stage, "visits"))

    assert {"orders", "visits"} == set(failed)
    assert ("preparation", "orders") in steps.done
    assert ("publishing",) not in steps.done
    assert (STEP_FAILED, f"{stage}: DataError: no") in steps.said
    event, sentence = steps.said[-1]
    assert event == STEP_FAILED
    assert sentence.startswith("publishing: DataError: orders: expected visits to be prepared with it, found")
    assert steps.answered == [["visits"], ["orders"]]


def test_features_are_made_without_a_failed_source_that_they_do_not_need():
    steps = Memory(prepared={"visits"}, failing=("ingestion", "orders"))
    of_visits = {"of_visits": shop().feature_groups["of_visits"].model_dump(exclude_unset=True)}

    failed = Chain(shop(feature_groups=of_visits)).follow([Ask("orders", "a"), Ask("visits", "b")], steps)

    assert [ask.source for ask in failed] == ["orders"]
    assert steps.done[-1] == ("publishing",)


@pytest.mark.parametrize("stage", ["ingestion", "preparation", "publishing"])
def test_a_step_that_fails_is_said_and_ends_the_chain_of_its_message(stage):
    steps = Memory(prepared={"orders", "shops", "towns"}, failing=stage)

    failed = Chain(shop()).follow([Ask("visits", ASK)], steps)

    assert isinstance(failed[Ask("visits", ASK)], DataError)
    assert steps.said[-1] == (STEP_FAILED, f"{stage}: DataError: no")
    assert stage not in [done[0] for done in steps.done]


def test_a_project_says_what_follows():
    assert Chain(shop(chain={"then": ["training_rows", "publishing"]})).then == ("training_rows", "publishing")
    assert Chain(shop(feature_groups={})).then == ()


def test_a_message_asks_for_its_source_and_answers_ask_for_nothing():
    project = shop()

    assert ask_of(project, b'{"event":"source data available","source":"visits","by":"cron"}', ASK) == Ask(
        "visits", ASK
    )
    assert ask_of(project, b'{"event":"source data available","source":"visits","full":true}', ASK).full
    assert ask_of(project, b'{"event":"data prepared","source":"somebody"}', ASK) is None


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (b"", "expected a JSON object"),
        (b"\xff", "expected a JSON object"),
        (b"[1]", "expected a JSON object"),
        (b'{"source":"visits"}', "expected a JSON object"),
        (b'{"event":"source data available","full":"yes","source":"visits"}', "expected a JSON object"),
        (b'{"event":"source data available"}', "found 'none'"),
        (b'{"event":"source data available","source":"visit"}', "did you mean 'visits'"),
        (b'{"event":"source data available","source":"visits","together":["order"]}', "did you mean 'orders'"),
    ],
)
def test_a_broken_message_is_told_with_its_place(value, sentence):
    with pytest.raises(DataError, match=f"message {ASK}: .*{sentence}"):
        ask_of(shop(), value, ASK)


def test_a_schedule_is_due_at_its_moments_in_utc_and_sends_the_message(tmp_path):
    schedules = {"nightly": {"cron": "30 3 * * mon-fri", "sources": ["visits", "orders"], "full": True}}
    heard: Queue[Said] = Queue()
    context = assemble(shop(schedules=schedules), Environment(state=tmp_path))
    friday = dt.datetime(2024, 5, 3, 4, tzinfo=dt.UTC)

    with keeping_schedules(context, heard.put) as scheduler:
        (job,) = scheduler.get_jobs()
        assert job.trigger.get_next_fire_time(None, friday) == dt.datetime(2024, 5, 6, 3, 30, tzinfo=dt.UTC)
        job.modify(next_run_time=dt.datetime.now(dt.UTC))
        scheduler.wakeup()
        said = [heard.get(timeout=20) for _ in schedules["nightly"]["sources"]]

    assert [(one.event, one.source, one.full) for one in said] == [
        (DATA_AVAILABLE, "visits", True),
        (DATA_AVAILABLE, "orders", True),
    ]
    assert [one.together for one in said] == [["visits", "orders"]] * 2
    assert not scheduler.running
