"""The endpoints: each reads a body, asks the client, and writes the answer with where it came from."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import msgspec
import orjson
from fastapi import FastAPI
from pydantic import ValidationError
from starlette.requests import Request
from starlette.responses import Response

from lambda_core.errors import MainstemError
from serving_layer.api.bodies import FeaturesBody, ScoreBody, schema
from serving_layer.api.guard import Guard
from serving_layer.api.problems import known_error, problem, unreadable
from serving_layer.client.client import Scoring
from serving_layer.monitoring.metrics import Metrics, view_age_seconds
from serving_layer.routing.questions import Asked

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from serving_layer.api.bodies import Body
    from serving_layer.client import ServingClient

REFRESH_SECONDS = 1.0
"""How often what is published and deployed is followed: how late a new model answers, at most."""
JSON = "application/json"


def create_app(client: ServingClient, metrics: Metrics, token: str | None = None) -> FastAPI:
    """Return the application that answers from this client; with a token, only to who brings it."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        following = asyncio.create_task(_follow(client))
        yield
        following.cancel()
        with suppress(asyncio.CancelledError):
            await following
        client.close()

    app = FastAPI(
        title=f"Mainstem: {client.project.project}",
        description="Features and scores merged from the batch and the speed view, each answer with its provenance.",
        lifespan=lifespan,
    )
    app.add_middleware(Guard, token=token, metrics=metrics)
    app.add_exception_handler(MainstemError, known_error)
    app.add_exception_handler(ValidationError, unreadable)
    _add_questions(app, client, metrics)
    _add_states(app, client, metrics)
    return app


def _add_questions(app: FastAPI, client: ServingClient, metrics: Metrics) -> None:
    @app.post("/features", summary="A vector at t, merged from both views", openapi_extra=schema(FeaturesBody))
    async def features(request: Request) -> Response:
        with metrics.seconds.labels("features").time():
            body = FeaturesBody.model_validate_json(await request.body())
            answer = await client.features_async(body.feature_set, _asked(body), body.t_ms)
        metrics.answers.labels("features", answer.source).inc()
        return Response(msgspec.json.encode(answer), media_type=JSON)

    @app.post("/score", summary="A score, with its vector and the model's version", openapi_extra=schema(ScoreBody))
    async def score(request: Request) -> Response:
        with metrics.seconds.labels("score").time():
            body = ScoreBody.model_validate_json(await request.body())
            scoring = Scoring(body.model, body.partition_key, body.t_ms, body.prediction_id)
            made = await client.score_async(scoring, _asked(body))
        metrics.answers.labels("score", made.answer.source).inc()
        return Response(msgspec.json.encode(made), media_type=JSON)

    @app.get("/scores/{prediction_id:path}", summary="The score that stands under an id")
    async def kept_score(prediction_id: str) -> Response:
        kept = await asyncio.to_thread(client.kept_score, prediction_id)
        if kept is None:
            return problem(404, "No such prediction", f"expected a prediction {prediction_id!r}, found none")
        return Response(msgspec.json.encode(kept), media_type=JSON)


def _add_states(app: FastAPI, client: ServingClient, metrics: Metrics) -> None:
    @app.get("/health", summary="The process lives; says nothing of what it could answer")
    async def health() -> Response:
        return Response(b'{"status":"alive"}', media_type=JSON)

    @app.get("/ready", summary="Answers are merged and scored; else 503 with every reason")
    async def ready() -> Response:
        reasons = await asyncio.to_thread(client.current.unready)
        return Response(orjson.dumps(_state(client, reasons)), 503 if reasons else 200, media_type=JSON)

    @app.get("/metrics", summary="Prometheus metrics")
    async def page() -> Response:
        return Response(metrics.page(client), media_type="text/plain; version=0.0.4; charset=utf-8")


def _asked(body: Body) -> Asked:
    return Asked(body.entities, body.request, body.event)


def _state(client: ServingClient, reasons: list[str]) -> dict[str, Any]:
    serving, pointer = client.current.serving, client.views.known_pointer
    models = {
        name: {"version": model.loaded.manifest.version if model.loaded else None, "refused": model.refused}
        for name, model in serving.models.items()
    }
    return {
        "ready": not reasons,
        "reasons": reasons,
        "definition": serving.definition.id,
        "generation": pointer.current.generation if pointer else None,
        "horizon": pointer.current.horizon if pointer else None,
        "epoch": pointer.current.epoch if pointer else None,
        "view_age_seconds": view_age_seconds(client),
        "models": models,
    }


async def _follow(client: ServingClient) -> None:
    """Follow what is published and deployed; a failure is told once, and again only when it is another one."""
    told = ""
    while True:
        try:
            await asyncio.to_thread(client.refresh)
            told = ""
        except MainstemError as error:
            if str(error) != told:
                told = str(error)
                client.log.warning("not followed", reason=told)
        await asyncio.sleep(REFRESH_SECONDS)
