"""What goes wrong between Hearth and a model server, mapped once to Hearth's own errors."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import aiohttp

from server.errors import (
    EngineBusy,
    EngineError,
    EngineProtocolError,
    EngineRefused,
    EngineTimeout,
    EngineUnavailable,
    connection_problem,
)

_MAX_MESSAGE = 200
_MAX_RETRY_AFTER = 3600.0

_ADVICE: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "`model` and `context_tokens` in [engine.vllm] must fit the server.",
    HTTPStatus.UNAUTHORIZED: "Set `api_key_env` in [engine.vllm] to the environment variable that holds the key.",
    HTTPStatus.FORBIDDEN: "The key may not use this model; ask whoever runs the server.",
    HTTPStatus.NOT_FOUND: "Check `url` (without /v1) and `model` in [engine.vllm].",
}


def from_status(status: int, body: bytes, headers: Mapping[str, str], *, server: str, secret: str = "") -> EngineError:
    """Return the error for an HTTP answer that is not 200.

    Args:
        status: The HTTP status.
        body: The beginning of the answer.
        headers: Of the answer; ``Retry-After`` is read.
        server: The address, for the message.
        secret: Blanked out, should the server repeat it.
    """
    said = _message(body, secret)
    message = f"The model server at {server} answered {status}{f': {said}' if said else ''}"
    if status in {HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE}:
        return EngineBusy(
            message,
            advice="It is overloaded or starting; Hearth tries again by itself.",
            retry_after=_retry_after(headers),
        )
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return EngineUnavailable(message, advice="See the model server's own log.")
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        return EngineRefused(message, advice="Redirects are not followed; write the final address into `url`.")
    return EngineRefused(message, advice=_ADVICE.get(status, "See the model server's own log."))


def from_event(error: object, *, server: str, secret: str = "") -> EngineError:
    """Return the error for an ``error`` object inside a stream that began well."""
    code = error.get("code") if isinstance(error, dict) else None
    status = code if isinstance(code, int) and 400 <= code < 600 else int(HTTPStatus.INTERNAL_SERVER_ERROR)
    return from_status(status, json.dumps({"error": error}).encode(), {}, server=server, secret=secret)


def from_client(error: Exception, *, server: str) -> EngineError:
    """Return the error for an exception of the HTTP client."""
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return EngineTimeout(
            f"The model server at {server} did not accept a connection in time", advice="Is it running, and reachable?"
        )
    if isinstance(error, aiohttp.ClientConnectorError):
        return EngineUnavailable(
            f"The model server at {server} cannot be reached: {connection_problem(error)}",
            advice="Start it, or correct `url` in [engine.vllm] of hearth.toml.",
        )
    if isinstance(error, (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError, aiohttp.ClientPayloadError)):
        return EngineUnavailable(
            f"The model server at {server} closed the connection before its answer was whole",
            advice="See the model server's own log.",
        )
    if isinstance(error, aiohttp.ClientResponseError):
        return EngineProtocolError(
            f"What answers at {server} does not speak HTTP as a model server does",
            advice="Check `url` in [engine.vllm] of hearth.toml.",
        )
    return EngineUnavailable(f"The model server at {server} could not be asked: {type(error).__name__}")


def _message(body: bytes, secret: str) -> str:
    text = body.decode(errors="replace")
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if isinstance(value, dict):
        inner = value.get("error", value)
        text = str(inner.get("message") or _refused_fields(inner) if isinstance(inner, dict) else inner)
    elif text.lstrip().startswith("<"):
        return ""  # a proxy's page
    # Validators repeat the request after this word, and with it text of the company's files.
    text = text.partition("'input'")[0].strip()
    line = text.splitlines()[0].strip() if text else ""
    if secret:
        line = line.replace(secret, "***")
    return line if len(line) <= _MAX_MESSAGE else f"{line[: _MAX_MESSAGE - 1]}…"


def _refused_fields(body: dict[str, Any]) -> str:
    """Say which fields a validator refuses and why, as FastAPI reports it, without what stood in them."""
    details = body.get("detail")
    if not isinstance(details, list):
        return str(details or "")
    said = [
        f"{'.'.join(map(str, detail.get('loc', ())))}: {detail.get('msg', 'refused')}"
        for detail in details
        if isinstance(detail, dict) and isinstance(detail.get("loc", ()), list)
    ]
    return "; ".join(said)


def _retry_after(headers: Mapping[str, str]) -> float:
    value = headers.get("Retry-After", "")
    try:
        seconds = float(value)
    except ValueError:
        try:
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
        except (TypeError, ValueError):
            return 0.0
    return min(max(0.0, seconds), _MAX_RETRY_AFTER) if seconds == seconds else 0.0  # noqa: PLR0124  # nan is not itself
