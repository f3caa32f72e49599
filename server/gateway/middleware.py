"""What every request passes: counting, a time limit, and what no client has a reason to send."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from aiohttp import web
from aiohttp.typedefs import Middleware

from indexer.errors import IndexerError
from server.accounts.tokens import PREFIX
from server.errors import LimitReached, NotPermitted
from server.gateway import metrics
from server.gateway.peers import Peers
from server.gateway.responses import SECURITY_HEADERS, STRICT_TRANSPORT, error_body, refuse

log = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_SWITCHED = 101
_EDITORS = "/lsp"
"""Where a request becomes a session, which lasts for hours."""
_TOKEN_PARAMETERS = frozenset({"token", "access_token", "api_key", "authorization"})
_MOST_CONTENT_TYPE = 200
"""Characters; reading one as long as a header may be takes half a second."""


def secure_responses(application: web.Application, peers: Peers) -> None:
    """Put the security headers on every answer."""

    async def prepare(request: web.Request, response: web.StreamResponse) -> None:
        for name, value in SECURITY_HEADERS.items():
            response.headers.setdefault(name, value)
        response.headers["Server"] = SECURITY_HEADERS["Server"]
        if peers.is_secure(request):
            response.headers.update(STRICT_TRANSPORT)

    application.on_response_prepare.append(prepare)


def answer_in_form(seconds: float) -> Middleware:
    """Count each request, bound its time, and turn every failure into an error of one form."""

    @web.middleware
    async def answer(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        route = _route(request)
        status = 500
        try:
            response = await _in_time(request, handler, None if route == _EDITORS else seconds)
            status = response.status
            return response
        except web.HTTPException as refusal:
            status = refusal.status
            if refusal.content_type == "application/json" or refusal.status < 400:  # an HTTP status
                raise
            body = error_body("http", refusal.reason)
            return web.json_response(body, status=status, headers=_kept_headers(refusal))
        finally:
            metrics.REQUESTS.labels(route, str(status)).inc()
            if status != _SWITCHED:
                metrics.REQUEST_SECONDS.labels(route).observe(time.perf_counter() - started)

    return answer


def refuse_what_browsers_forge(peers: Peers) -> Middleware:
    """Turn away pages of other sites, tokens where proxies and histories write them down, and types without end."""

    @web.middleware
    async def refuse_forged(request: web.Request, handler: Handler) -> web.StreamResponse:
        if len(request.headers.get("Content-Type", "")) > _MOST_CONTENT_TYPE:
            refuse(415, "content-type", "No type of a body is as long as this.")
        if any(name.lower() in _TOKEN_PARAMETERS or value.startswith(PREFIX) for name, value in request.query.items()):
            refuse(
                400,
                "token-in-url",
                "A token must not stand in a URL, where proxies and histories keep it.",
                "Revoke it, and send the new one in the header `Authorization: Bearer …`.",
            )
        origin = request.headers.get("Origin")
        if origin is not None and not peers.is_own(request, origin):
            metrics.REFUSED.labels("address").inc()
            refuse(403, "other-origin", "Pages of other sites may not use this server.")
        return await handler(request)

    return refuse_forged


async def _in_time(request: web.Request, handler: Handler, seconds: float | None) -> web.StreamResponse:
    try:
        async with asyncio.timeout(seconds):
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
        refuse(503, error.code, "This cannot be read or written now.", "The server's log says why.")
    except web.HTTPException:
        raise
    except web.RequestPayloadError:
        refuse(400, "body", "The body is not what the head of the request says.")
    except Exception:
        log.exception("%s failed", _route(request))
        raise web.HTTPInternalServerError from None


def _route(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _kept_headers(answer: web.HTTPException) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name in {"Allow", "Location", "Retry-After"}}
