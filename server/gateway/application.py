"""The routes of the team server, and who may use which."""

from __future__ import annotations

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from server.accounts import TokenScope
from server.gateway import metrics
from server.gateway.access import SignInRefused, Visitor
from server.gateway.api import Administration, Api, BenchmarkApi, DeviceRoutes, Figures
from server.gateway.device import DeviceSignIns
from server.gateway.downloads import Downloads
from server.gateway.flood import PerMinute
from server.gateway.middleware import answer_in_form, refuse_what_browsers_forge, secure_responses
from server.gateway.news import News
from server.gateway.pages import add_pages
from server.gateway.parts import Parts
from server.gateway.peers import Peers
from server.gateway.responses import refuse

_MAX_BODY_BYTES = 64 * 1024


def make_application(parts: Parts) -> web.Application:
    """Put the routes together."""
    peers = Peers(parts.config.trusted_proxies, behind_proxy=parts.config.behind_proxy)
    door = Door(parts, peers)
    application = web.Application(
        middlewares=[answer_in_form(parts.config.limits.request_seconds), refuse_what_browsers_forge(peers)],
        client_max_size=_MAX_BODY_BYTES,
    )
    secure_responses(application, peers)
    application.router.add_get("/lsp", _Editors(parts, door).serve)
    application.router.add_get("/healthz", _alive)
    application.router.add_get("/readyz", _Readiness(parts).answer)
    application.router.add_get("/metrics", _Metrics(parts, door, peers).answer)
    Api(
        door.let_in,
        index=parts.index,
        ladder=parts.ladder,
        prompts=parts.prompts,
        model=parts.model,
        why=parts.sessions.why,
        threads=parts.threads,
    ).add_routes(application.router)
    Administration(door.let_in, parts.registry, parts.threads).add_routes(application.router)
    Figures(door.let_in, parts.readings, parts.audit).add_routes(application.router)
    BenchmarkApi(door.let_in, parts.benchmarks).add_routes(application.router)
    News(parts.queue, parts.secrets, door.let_in, parts.threads).add_routes(application.router)
    waiting = DeviceSignIns()
    DeviceRoutes(
        door.let_in,
        gate=parts.gate,
        accounts=parts.accounts,
        waiting=waiting,
        peers=peers,
        audit=parts.audit,
        threads=parts.threads,
        public_url=parts.config.public_url,
        hours=parts.config.editor_hours,
    ).add_routes(application.router)
    add_pages(application.router, parts, peers, waiting, door.note_refusal)
    Downloads(parts.downloads).add_routes(application.router)
    return application


class Door:
    """Lets visitors in, or says why not."""

    def __init__(self, parts: Parts, peers: Peers) -> None:
        self._gate = parts.gate
        self._audit = parts.audit
        self._peers = peers
        self._url = parts.config.public_url
        self._refusals = PerMinute()

    def let_in(self, request: web.Request, *scopes: TokenScope) -> Visitor:
        """Return who asks, if their token is for one of ``scopes``.

        Raises:
            web.HTTPError: 401 for nobody known, 403 for somebody who may not.
        """
        if self._gate.open and not self._peers.is_local(request):
            metrics.REFUSED.labels("address").inc()
            refuse(
                403,
                "no-accounts",
                "This server has no accounts yet and answers its own machine only.",
                "On the server: hearth user add NAME, then hearth token create NAME.",
            )
        try:
            visitor = self._gate.recognise(request.headers.get("Authorization"))
        except SignInRefused as reason:
            metrics.REFUSED.labels("sign_in").inc()
            self.note_refusal(self.address(request), str(reason))
            refuse(
                401,
                "sign-in",
                str(reason),
                f"Run hearth sign-in {self._url or 'URL'}, or use a token that an administrator makes for you.",
                {"WWW-Authenticate": 'Bearer realm="hearth"'},
            )
        if not visitor.may(*scopes):
            metrics.REFUSED.labels("not_permitted").inc()
            wanted = " or ".join(scope.value for scope in scopes)
            refuse(403, "not-permitted", f"This token is not for {wanted}.", "Ask an administrator for another one.")
        return visitor

    def address(self, request: web.Request) -> str:
        """Return the client's address."""
        return self._peers.address(request)

    def note_refusal(self, address: str, reason: str) -> None:
        """Write a refused sign-in down; of a flood only so many a minute, lest it wash out what others did."""
        through, left_out = self._refusals.take()
        if left_out:
            self._audit.note("sign-ins-refused", count=left_out)
        if through:
            self._audit.note("sign-in-refused", address=address, reason=reason)


class _Editors:
    def __init__(self, parts: Parts, door: Door) -> None:
        self._sessions = parts.sessions
        self._door = door

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """``GET /lsp``: become a session."""
        visitor = self._door.let_in(request, TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH)
        if request.headers.get("Upgrade", "").lower() != "websocket":
            refuse(426, "websocket", "Editors connect here by WebSocket.", "Use: hearth connect URL")
        return await self._sessions.serve(request, visitor, self._door.address(request))


class _Readiness:
    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def answer(self, _: web.Request) -> web.Response:
        """``GET /readyz``: whether new editors should be sent here."""
        parts = self._parts
        reasons = []
        if parts.index is None:
            reasons.append("the index cannot be opened")
        if parts.sessions.draining:
            reasons.append("the server is stopping")
        # Whoever is signed in, or has a token, does not miss the provider.
        lacks = [parts.provider.problem] if parts.provider is not None and parts.provider.problem else []
        value = {"ready": not reasons, "engine": parts.ladder.rung.value, "detail": "; ".join([*reasons, *lacks])}
        return web.json_response(value, status=503 if reasons else 200)


class _Metrics:
    def __init__(self, parts: Parts, door: Door, peers: Peers) -> None:
        self._threads = parts.threads
        self._door = door
        self._peers = peers

    async def answer(self, request: web.Request) -> web.Response:
        """``GET /metrics``: for the machine itself, and for tokens of that scope."""
        if not self._peers.is_local(request):
            self._door.let_in(request, TokenScope.METRICS)
        body = await asyncio.get_running_loop().run_in_executor(self._threads, generate_latest)
        return web.Response(body=body, headers={"Content-Type": CONTENT_TYPE_LATEST})


async def _alive(_: web.Request) -> web.Response:
    """``GET /healthz``: the process answers."""
    return web.json_response({"status": "ok"})
