"""Answers and scores out of a Redis Cluster: the same client, by the address alone."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from lambda_core.errors import PointerMovedError
from lambda_core.repositories.model_store import RedisModelStore
from lambda_core.repositories.store import client_of, connect, servers_of
from lambda_core.views.keyspace import Keyspace
from serving_layer.client import ServingClient
from serving_layer.client.client import Scoring
from serving_layer.routing.questions import Asked

ANN = Asked({"buyer": "ann", "everything": {"shop": "all"}}, {"price": 2.0, "dear": 0})
START = 1_700_000_000_000
T = START + 900_000
HORIZON = START // 60_000 + 5


@pytest.fixture
def sharded(cluster, new_shop, definition):
    client = connect(cluster.address)
    for shard in servers_of(client):
        shard.flushall()
    made = new_shop(client)
    made.keys = Keyspace("shop", sharded=True)
    yield made
    client.close()


@pytest.fixture
def serving(cluster, definition) -> Iterator[ServingClient]:
    made = ServingClient(definition.project, definition, client_of(cluster.address))
    yield made
    made.close()


def test_features_and_scores_are_those_of_one_redis(sharded, shop, serving, definition):
    events = shop.events(1, 60, START)
    alone = ServingClient(definition.project, definition, shop.client)
    for one in (sharded, shop):
        one.publish(events, HORIZON)
        one.model("7", 0.5)
    for one in (serving, alone):
        one.refresh()

    expected, found = (one.features("checkout", ANN, T) for one in (alone, serving))

    assert (found.source, found.values) == ("merged", expected.values)
    assert found.groups == expected.groups
    asked = Scoring("returned", prediction_id="p1")
    assert serving.score(asked, ANN).score == alone.score(Scoring("returned"), ANN).score
    assert serving.kept_score("p1") == serving.score(asked, ANN)
    assert serving.current.unready() == []
    alone.close()


def test_a_shard_that_was_emptied_is_never_answered_from_as_merged_and_readiness_is_red(sharded, serving):
    sharded.publish(sharded.events(2, 60, START), HORIZON)
    serving.refresh()
    before = serving.features("checkout", ANN, T).source

    own = sharded.client.shard_of(sharded.keys.pointer).name
    for _, node in sharded.client.shards():
        if node.name != own:
            node.redis_connection.flushall()

    assert before == "merged"
    assert serving.features("checkout", ANN, T).source != "merged"
    assert any("lacks the mark of epoch" in reason for reason in serving.current.unready())


def test_a_model_that_somebody_else_deployed_in_between_is_not_flipped(sharded):
    sharded.model("7", 0.5)
    store = RedisModelStore(sharded.client, sharded.keys)

    with pytest.raises(PointerMovedError):
        store.flip("returned", None, "8")
    assert store.model_pointer("returned").current == "7"
