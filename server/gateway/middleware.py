"""What every request passes: counting, a time limit, and what no client has a reason to send."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web

from indexer.errors import IndexerError
from server.accounts.tokens import PREFIX
from server.errors import LimitReached, NotPermitted
from server.gateway import metrics
from server.gateway.peers import Peers
from server.gateway.responses import SECURITY_HEADERS, error_body, refuse

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_ANSWER_SECONDS = 30.0
_SWITCHED = 101
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key", "authorization"})


def secure_responses(application: web.Application, peers: Peers) -> None:
    """Put the security headers on every answer."""

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = SECURITY_HEADERS["Server"]
        if peers.is_secure(request):
            response.headers["Strict-Transport-Security"] = "max-age=31536000"

    application.on_response_prepare.append(prepare)


@web.middleware
async def answer_in_form(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Count the request, and turn every failure into an error of one form."""
    started = time.perf_counter()
    route = _route(request)
    status = 500
    try:
        response = await _in_time(request, handler)
        status = response.status
        return response
    except web.HTTPException as answer:
        status = answer.status
        if answer.content_type == "application/json" or answer.status < 400:  # an HTTP status
            raise
        return web.json_response(error_body("http", answer.reason), status=status, headers=_kept_headers(answer))
    finally:
        metrics.REQUESTS.labels(route, str(status)).inc()
        if status != _SWITCHED:
            # A session lasts for hours.
            metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)


@web.middleware
async def refuse_what_browsers_forge(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn away pages of other sites, and tokens where proxies and histories write them down."""
    if any(name.lower() in _TOKEN_PARAMETERS or value.startswith(PREFIX) for name, value in request.query.items()):
        refuse(
            400,
            "token-in-url",
            "A token must not stand in a URL, where proxies and histories keep it.",
            "Revoke it, and send the new one in the header `Authorization: Bearer …`.",
        )
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2].lower() != request.host.lower():
        metrics.REFUSED.labels("address").inc()
        refuse(403, "other-origin", "Pages of other sites may not use this server.")
    return await handler(request)


async def _in_time(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        if request.headers.get("Upgrade"):
            return await handler(request)
        async with asyncio.timeout(_ANSWER_SECONDS):
            return await handler(request)
    except TimeoutError:
        refuse(503, "timeout", "This took too long.", "Try again.")
    except NotPermitted as error:
        metrics.REFUSED.labels("not_permitted").inc()
        refuse(403, error.code, error.message, error.advice)
    except LimitReached as error:
        metrics.REFUSED.labels("limit").inc()
        refuse(429, error.code, error.message, error.advice, {"Retry-After": f"{error.retry_after:.0f}"})
    except IndexerError as error:
        log.error("%s could not be answered: %s", _route(request), error)
        refuse(503, error.code, "The index cannot be read now.", "The server's log says why.")
    except web.HTTPException:
        raise
    except Exception:
        log.exception("%s failed", _route(request))
        raise web.HTTPInternalServerError from None


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _kept_headers(answer: web.HTTPException) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name in {"Allow", "Location", "Retry-After"}}
