"""The process that serves: one event loop, threads for reads, loopback unless the settings say otherwise."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING

import uvicorn

from lambda_core.errors import MainstemError
from lambda_core.repositories.store import client_of
from serving_layer.api.app import create_app
from serving_layer.client.client import ServingClient, answer_seconds
from serving_layer.monitoring.metrics import Metrics

if TYPE_CHECKING:
    from lambda_core.context import RunContext


def serve(context: RunContext) -> None:
    """Answer over HTTP until SIGTERM. Starts without Redis too: lower rungs answer, and readiness says why."""
    metrics, own = Metrics(), context.environment
    redis = client_of(own.redis.get_secret_value(), answer_seconds(context.project))
    client = ServingClient(context.project, None, redis, context.clock, metrics.missed)
    try:
        client.refresh()
    except MainstemError as error:
        context.log.warning("serving begins on lower rungs", reason=str(error))
    token = own.bearer_token()
    if token is None and not _is_loopback(own.api.host):
        context.log.warning("anybody who reaches this address may ask: set MAINSTEM_API_TOKEN", host=own.api.host)
    context.log.info("serving", address=f"http://{own.api.host}:{own.api.port}", docs="/docs")
    uvicorn.run(
        create_app(client, metrics, token),
        host=own.api.host,
        port=own.api.port,
        loop="uvloop",
        http="httptools",
        access_log=False,
        log_level="warning",
        server_header=False,
        timeout_graceful_shutdown=5,
    )


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
