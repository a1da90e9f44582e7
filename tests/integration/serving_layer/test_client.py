"""The client over a real Redis: answers, scores, and what it does when something is missing, late or away."""

from __future__ import annotations

import math
import subprocess
import sys

import pytest

from lambda_core.clock import FixedClock
from lambda_core.errors import ConfigError, EpochError, SchemaError, StoreError
from lambda_core.repositories.caught_up import CaughtUp
from lambda_core.repositories.record_store import DefinitionStore
from lambda_core.repositories.store import client_of, connect
from serving_layer.client import ServingClient
from serving_layer.client.client import Scoring, answer_seconds
from serving_layer.routing.questions import Asked

START = 1_700_000_000_000
FAR = 10**9
ANN = Asked({"buyer": "ann", "everything": {"shop": "all"}}, {"price": 2.0, "dear": 0})


@pytest.fixture
def serving(shop):
    client = ServingClient(shop.definition.project, shop.definition, shop.client, FixedClock(START + 10**7))
    yield client
    client.close()


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def test_features_are_those_of_all_events_before_t(shop, serving):
    events = shop.events(1, 60, START)
    shop.publish(events, events[30].append_ms // shop.minute)

    answer = serving.features("checkout", ANN)

    t_ms = START + 10**7
    ann = [event for event in events if event.values["buyer"] == "ann"]
    expected = {**shop.oracle("by_buyer", ann, t_ms), **shop.oracle("by_all", events, t_ms)}
    assert {name: answer.values[name] for name in expected} == expected
    assert (answer.source, answer.t_ms, answer.values["price"]) == ("merged", t_ms, 2.0)


def test_a_score_names_the_version_and_the_answer_behind_it(shop, serving):
    shop.publish(shop.events(1, 20, START), FAR)
    shop.model("7", 0.5)
    serving.refresh()

    score = serving.score(Scoring("returned"), ANN)

    assert score.score == pytest.approx(sigmoid(1.0), abs=1e-6)
    assert (score.model_version, score.partition_key, score.answer.source) == ("7", "ann", "merged")


def test_a_score_under_the_askers_id_stands(shop, serving):
    shop.publish([], 0)
    shop.model("7", 0.5)
    serving.refresh()
    first = serving.score(Scoring("returned", prediction_id="order-1"), ANN)
    shop.model("8", 5.0)
    serving.refresh()

    again = serving.score(Scoring("returned", prediction_id="order-1"), ANN)

    assert again == first == serving.kept_score("order-1")
    assert serving.score(Scoring("returned"), ANN).model_version == "8"


def test_a_version_with_a_wrong_hash_is_refused_and_the_old_one_answers(shop, serving):
    shop.publish([], 0)
    shop.model("7", 0.5)
    serving.refresh()
    shop.model("8", 0.5, sha256="0" * 64)
    serving.refresh()

    assert serving.score(Scoring("returned"), ANN).model_version == "7"
    assert serving.current.serving.models["returned"].refused[0] == "8"


def test_a_partition_without_a_model_is_answered_by_the_default(shop, serving):
    shop.publish([], 0)
    shop.model("7", 0.5)
    serving.refresh()

    score = serving.score(Scoring("returned", partition_key="bob"), ANN)

    assert (score.score, score.model_version, score.answer.source) == (0.25, None, "default")


def test_without_the_mark_the_batch_view_answers_and_says_so(shop, serving):
    shop.publish(shop.events(1, 20, START), FAR)
    merged = serving.features("checkout", ANN)
    shop.client.delete(shop.keys.mark)

    answer = serving.features("checkout", ANN)

    assert answer.source == "batch_only"
    assert answer.values == merged.values
    assert any("mark of epoch" in reason for reason in serving.current.unready())


def test_a_redis_that_was_started_again_is_not_ready_and_answers_of_batch_until_the_workers_caught_up(
    own_store, new_shop, definition
):
    client = client_of(own_store.address, answer_seconds(definition.project))
    shop, caught_up = new_shop(client), CaughtUp(client, new_shop(client).keys)
    caught_up.begin(shop.epoch, [0])
    shop.publish(shop.events(1, 20, START), FAR)
    shop.model("7", 0.5)
    serving = ServingClient(definition.project, definition, client, FixedClock(START + 60_000))
    assert (serving.current.unready(), serving.features("checkout", ANN).source) == ([], "merged")
    own_store.kill()
    own_store.start()
    own_store.wait_ready()

    assert ["was started again" in reason for reason in serving.current.unready()] == [True]
    assert serving.features("checkout", ANN).source == "batch_only"
    caught_up.note(shop.epoch, [0])
    assert (serving.current.unready(), serving.features("checkout", ANN).source) == ([], "merged")
    serving.close()


def test_when_redis_ends_the_batch_values_read_last_answer_and_then_the_default(own_store, new_shop, definition):
    client = client_of(own_store.address, answer_seconds(definition.project))
    shop = new_shop(client)
    shop.publish(shop.events(1, 20, START), FAR)
    shop.model("7", 0.5)
    missed = []
    serving = ServingClient(definition.project, definition, client, missed=lambda *one: missed.append(one))
    serving.refresh()
    merged = serving.score(Scoring("returned"), ANN)
    own_store.stop()

    known = serving.score(Scoring("returned"), ANN)
    unknown = serving.score(Scoring("returned", "ann"), Asked({"buyer": "eve", "everything": "all"}))

    assert (merged.answer.source, known.answer.source, unknown.answer.source) == ("merged", "batch_only", "default")
    assert known.answer.values == merged.answer.values
    assert (known.score, unknown.score) == (merged.score, 0.25)
    assert "cannot be reached" in missed[0][1]
    with pytest.raises(StoreError, match="cannot be reached"):
        serving.refresh()
    serving.close()


def test_a_redis_that_hangs_is_answered_for_within_the_deadline(own_store, new_shop, definition):
    hurried = definition.project.serving.model_copy(update={"deadline_ms": 250})
    project = definition.project.model_copy(update={"serving": hurried})
    patient = connect(own_store.url)
    new_shop(patient).publish([], 0)
    late = []
    hasty = client_of(own_store.address, answer_seconds(project))
    serving = ServingClient(project, definition, hasty, missed=lambda *one: late.append(one))
    patient.execute_command("CLIENT", "PAUSE", "30000", "ALL")

    from time import monotonic

    begin = monotonic()
    answer = serving.features("checkout", ANN)
    took = monotonic() - begin

    assert answer.source == "default"
    assert took < 1  # Redis hangs for thirty seconds; the rest is for a busy machine
    assert [source for source, _ in late] == ["merged", "batch_only"]
    serving.close()


def test_the_published_definition_is_compiled_from_what_it_pins(shop, definition):
    from lambda_core.features.definition import compile_definition

    pinned = compile_definition(definition.project, {"planes": "0123"})
    shop.publish([], 0, epoch=f"{pinned.id}.0")
    DefinitionStore(shop.client, shop.keys).put_definition(pinned.id, {"planes": "0123"})
    serving = ServingClient(definition.project, None, shop.client)

    serving.refresh()

    assert serving.current.serving.definition.id == pinned.id
    assert serving.features("checkout", ANN).source == "merged"
    serving.close()


def test_a_definition_from_other_settings_is_never_answered_from(shop, serving):
    shop.publish([], 0, epoch="0123456789abcdef.0")

    with pytest.raises(EpochError, match="expected the published definition 0123456789abcdef"):
        serving.refresh()
    assert serving.features("checkout", ANN).source == "default"


def test_keys_and_request_features_are_worked_out_from_the_event(shop, definition):
    serving = ServingClient(definition.project, definition, shop.client)
    shop.publish([], 0)

    answer = serving.features(
        "checkout", Asked({"everything": "all"}, {}, {"buyer": "ann", "price": 9.999, "items": 0})
    )

    assert answer.groups["by_buyer"].entity == "ann"
    assert (answer.values["price"], answer.values["dear"]) == (10.0, 0)
    serving.close()


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        (Asked({"buyer": "ann"}), r"entities\.everything: expected its key \(shop\), found none"),
        (Asked({"buyer": ["a", "b"], "everything": None}), r"entities\.buyer: expected the values of buyer"),
        (Asked({"buyer": 1.5, "everything": None}), r"entities\.buyer\.buyer: expected a text or whole number"),
        (Asked({"seller": 1, "buyer": 1, "everything": 1}), "found seller"),
        (Asked({"buyer": 1, "everything": 1}, {"prise": 1}), "found prise"),
        (
            Asked({"everything": 1}, {}, {"buyer": "a", "prise": 1}),
            "event: expected columns of source orders, found prise",
        ),
        (Asked({"everything": 1}, {}, {"buyer": "a", "price": "x"}), r"event\.price: expected decimal, found 'x'"),
    ],
)
def test_what_is_missing_or_unknown_is_named(serving, asked, sentence):
    with pytest.raises(SchemaError, match=sentence):
        serving.features("checkout", asked)


def test_two_entities_that_disagree_on_the_partition_are_told(shop, serving):
    with pytest.raises(SchemaError, match="partition_key: expected one value of 'buyer', found ann, bob"):
        serving.current.serving.questions.partition_key(
            shop.definition.project.models["returned"], Asked({"buyer": "ann"}, {}, {"buyer": "bob"})
        )


def test_names_that_are_not_declared_are_told_with_those_that_are(serving):
    with pytest.raises(ConfigError, match="expected one of checkout; found 'chekout'"):
        serving.features("chekout", ANN)
    with pytest.raises(ConfigError, match="expected one of returned; found 'x'"):
        serving.score(Scoring("x"), ANN)


def test_an_event_without_the_entity_has_the_features_of_no_event(shop, serving):
    shop.publish(shop.events(1, 20, START), FAR)

    answer = serving.features("checkout", Asked({"buyer": None, "everything": "all"}))

    assert answer.groups["by_buyer"].entity is None
    assert answer.values["by_buyer__count_1d"] == 0


@pytest.mark.parametrize("module", ["serving_layer.api", "serving_layer.client.ask", "serving_layer.routing.current"])
def test_serving_loads_neither_spark_nor_mlflow_nor_great_expectations(module):
    code = (
        f"import sys, {module}; import lambda_core.features.expressions; "
        "print([name for name in ('pyspark', 'mlflow', 'great_expectations', 'delta') if name in sys.modules])"
    )

    found = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout

    assert found.strip() == "[]"
