"""Token and size, looked at before a byte of a body is parsed. Plain ASGI, so that it costs next to nothing."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from serving_layer.api.problems import problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from serving_layer.monitoring.metrics import Metrics

MAX_BODY = 64 * 1024
"""Bytes of a body: far above any question, far below what would hurt."""
OPEN_PATHS = ("/health",)


class TooLargeError(Exception):
    """A body grew beyond the limit while it was read."""


class Guard:
    """Refuses requests without the token (401) or with a larger body than allowed (413)."""

    def __init__(self, app: ASGIApp, token: str | None, metrics: Metrics, max_body: int = MAX_BODY) -> None:
        self._app = app
        self._expected = f"Bearer {token}".encode() if token else None
        self._metrics = metrics
        self._max_body = max_body

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with its refusal."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if not self._may(scope["path"], headers.get(b"authorization", b"")):
            await self._refuse(401, "Expected the header Authorization: Bearer <token>", (scope, receive, send))
            return
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._max_body:
            await self._refuse(413, f"Expected a body of at most {self._max_body} bytes", (scope, receive, send))
            return
        try:
            await self._app(scope, self._counted(receive), send)
        except TooLargeError:
            await self._refuse(413, f"Expected a body of at most {self._max_body} bytes", (scope, receive, send))

    def _may(self, path: str, given: bytes) -> bool:
        return self._expected is None or path in OPEN_PATHS or hmac.compare_digest(given, self._expected)

    def _counted(self, receive: Receive) -> Receive:
        """Return a `receive` that ends a body without a length once it is too large."""
        taken = 0

        async def counted() -> Message:
            nonlocal taken
            message = await receive()
            taken += len(message.get("body", b""))
            if taken > self._max_body:
                raise TooLargeError
            return message

        return counted

    async def _refuse(self, status: int, detail: str, call: tuple[Scope, Receive, Send]) -> None:
        self._metrics.refused.labels(str(status)).inc()
        response = problem(status, "Refused", detail)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        await response(*call)
