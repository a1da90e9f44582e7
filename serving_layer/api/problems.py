"""Errors over HTTP: a status, a title and the sentence that says what was expected and what to do (RFC 9457)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from pydantic import ValidationError
from starlette.responses import Response

from lambda_core.errors import ArtefactError, ConfigError, DataError, GuardError, MainstemError, ServerError

if TYPE_CHECKING:
    from starlette.requests import Request

_STATUS: dict[type[MainstemError], tuple[int, str]] = {
    ConfigError: (404, "No such name"),
    DataError: (422, "A value is not what was expected"),
    GuardError: (422, "A rule forbids it"),
    ArtefactError: (503, "No model answers"),
    ServerError: (503, "A server is away"),
}


def problem(status: int, title: str, detail: str) -> Response:
    """Return an error as its caller can read it."""
    body = orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": detail})
    return Response(body, status, media_type="application/problem+json")


async def known_error(_: Request, error: Exception) -> Response:
    """Answer with the sentence of one of our errors."""
    for kind, (status, title) in _STATUS.items():
        if isinstance(error, kind):
            return problem(status, title, str(error))
    return problem(500, type(error).__name__, str(error))


async def unreadable(_: Request, error: Exception) -> Response:
    """Answer with what of a body is not as it should be: place, expected, found."""
    if not isinstance(error, ValidationError):
        return problem(422, "The body cannot be read", str(error))
    mistakes = [f"{'.'.join(str(part) for part in one['loc']) or 'body'}: {one['msg']}" for one in error.errors()[:5]]
    return problem(422, "The body is not as expected", "; ".join(mistakes))
