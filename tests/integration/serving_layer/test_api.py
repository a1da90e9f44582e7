"""HTTP over a real Redis: the same answers, errors as sentences, a token and a size before anything is read."""

from __future__ import annotations

import threading

import httpx
import msgspec
import pytest
import tenacity
import uvicorn

from lambda_core.clock import FixedClock
from lambda_core.repositories.store import client_of
from lambda_core.schemas.messages import Answer, Score
from serving_layer.api import create_app
from serving_layer.client import ServingClient
from serving_layer.monitoring.metrics import Metrics

START = 1_700_000_000_000
TOKEN = "only-for-this-test"  # noqa: S105 - it opens nothing else
ANN = {"entities": {"buyer": "ann", "everything": "all"}, "request": {"price": 2.0}}


@pytest.fixture
def open_http():
    """Return a function that serves a store over HTTP, and hands out a client of that server."""
    ends = []

    def open_it(project, redis, token=None):
        metrics = Metrics()
        client = ServingClient(project, None, redis, FixedClock(START + 10**7), metrics.missed)
        server = uvicorn.Server(uvicorn.Config(create_app(client, metrics, token), port=0, log_level="warning"))
        thread = threading.Thread(target=server.run)
        thread.start()
        wait = tenacity.Retrying(
            stop=tenacity.stop_after_delay(20),
            wait=tenacity.wait_fixed(0.01),
            retry=tenacity.retry_if_result(lambda started: not started),
        )
        wait(lambda: server.started)
        port = server.servers[0].sockets[0].getsockname()[1]
        ends.append((server, thread))
        return httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    yield open_it
    for server, thread in ends:
        server.should_exit = True
        thread.join()


@pytest.fixture
def http(shop, open_http):
    shop.publish(shop.events(1, 40, START), START // shop.minute + 5)
    shop.model("7", 0.5)
    opened = open_http(shop.definition.project, shop.client)
    opened.get("/ready")  # follows what is published, so that no test waits for the interval
    return opened


def test_features_over_http_are_those_of_the_client(http, shop):
    response = http.post("/features", json={"feature_set": "checkout", **ANN})

    answer = msgspec.json.decode(response.content, type=Answer)
    t_ms = START + 10**7
    events = shop.events(1, 40, START)
    assert response.status_code == 200
    assert (answer.source, answer.generation) == ("merged", "g1")
    assert {name: answer.values[name] for name in answer.values if name.startswith("by_all")} == shop.oracle(
        "by_all", events, t_ms
    )


def test_a_score_is_kept_under_the_askers_id(http):
    made = http.post("/score", json={"model": "returned", "prediction_id": "shop/1", **ANN})

    score = msgspec.json.decode(made.content, type=Score)
    assert (score.model_version, score.answer.source) == ("7", "merged")
    assert http.get("/scores/shop/1").content == made.content
    assert http.get("/scores/shop/2").status_code == 404


def test_a_ready_service_says_what_it_answers_from(http, shop):
    response = http.get("/ready")

    state = response.json()
    assert response.status_code == 200
    assert (state["ready"], state["generation"], state["epoch"]) == (True, "g1", shop.epoch)
    assert state["models"] == {"returned": {"version": "7", "refused": None}}
    assert state["view_age_seconds"] > 0


def test_without_the_mark_readiness_is_red_and_answers_are_not_merged(http, shop):
    shop.client.delete(shop.keys.mark)

    response = http.get("/ready")

    assert response.status_code == 503
    assert "lacks the mark of epoch" in response.json()["reasons"][0]
    assert http.post("/features", json={"feature_set": "checkout", **ANN}).json()["source"] == "batch_only"


def test_without_redis_the_service_lives_is_not_ready_and_answers_the_default(open_http, definition):
    http = open_http(definition.project, client_of("redis://user:secret@127.0.0.1:1/0", 0.1, retries=0))

    ready, score = http.get("/ready"), http.post("/score", json={"model": "returned", **ANN})

    assert http.get("/health").json() == {"status": "alive"}
    assert ready.status_code == 503
    assert "127.0.0.1:1/0 cannot be reached" in ready.json()["reasons"][0]
    assert "secret" not in ready.text
    assert (score.status_code, score.json()["score"], score.json()["answer"]["source"]) == (200, 0.25, "default")
    assert http.get("/scores/x").status_code == 503


@pytest.mark.parametrize(
    ("path", "body", "status", "sentence"),
    [
        ("/features", {"feature_set": "chekout", **ANN}, 404, "expected one of checkout; found 'chekout'"),
        ("/features", {"feature_set": "checkout"}, 422, "expected its key"),
        ("/features", {"feature_set": "checkout", "enties": {}}, 422, "enties: Extra inputs are not permitted"),
        ("/score", {"model": "returned", "t_ms": "now", **ANN}, 422, "t_ms: Input should be a valid integer"),
        ("/score", {**ANN}, 422, "model: Field required"),
    ],
)
def test_a_mistake_is_told_in_a_sentence(http, path, body, status, sentence):
    response = http.post(path, json=body)

    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert sentence in response.json()["detail"]


def test_what_is_no_json_is_told(http):
    response = http.post("/score", content=b"{")

    assert response.status_code == 422
    assert "Invalid JSON" in response.json()["detail"]


def test_a_body_beyond_the_limit_is_refused(http):
    announced = http.post("/score", content=b"x" * 70_000)
    streamed = http.post("/score", content=(b"x" * 10_000 for _ in range(8)))

    assert (announced.status_code, streamed.status_code) == (413, 413)


def test_with_a_token_nobody_asks_without_it(open_http, shop):
    shop.publish([], 0)
    http = open_http(shop.definition.project, shop.client, token=TOKEN)
    body = {"feature_set": "checkout", **ANN}

    none, wrong = http.post("/features", content=b"{"), http.post("/features", json=body, headers=bearer("other"))

    assert (none.status_code, wrong.status_code) == (401, 401)
    assert http.get("/metrics").status_code == 401
    assert http.get("/health").status_code == 200
    assert http.post("/features", json=body, headers=bearer(TOKEN)).status_code == 200


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_metrics_count_answers_by_their_rung(http, shop):
    http.post("/features", json={"feature_set": "checkout", **ANN})
    shop.client.delete(shop.keys.mark)
    http.post("/score", json={"model": "returned", **ANN})

    page = http.get("/metrics").text

    assert 'mainstem_answers_total{operation="features",source="merged"} 1.0' in page
    assert 'mainstem_answers_total{operation="score",source="batch_only"} 1.0' in page
    assert 'mainstem_missed_rungs_total{reason="error",source="merged"} 1.0' in page
    assert 'mainstem_model_answers{model="returned",version="7"} 1.0' in page
    assert "mainstem_view_age_seconds" in page


def test_the_description_shows_what_to_send(http):
    paths = http.get("/openapi.json").json()["paths"]

    shown = paths["/score"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert shown["event"]["examples"]
    assert set(paths) == {"/features", "/score", "/scores/{prediction_id}", "/health", "/ready", "/metrics"}
