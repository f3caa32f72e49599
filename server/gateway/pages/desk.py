"""What every page passes: who asks, whether they may, whether a form is ours, and how a refusal looks."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote

from aiohttp import web

from indexer.errors import IndexerError, NameTaken, RepositoryError, SourceRefused, UnknownRepository
from server.accounts import TokenScope
from server.accounts.sign_ins import LONGEST_SECONDS, SignIns
from server.errors import (
    AccountsError,
    LimitReached,
    NotPermitted,
    RequestRefused,
    RunRefused,
    RunUnreadable,
    UnknownRun,
)
from server.gateway import metrics
from server.gateway.access import Gatekeeper, SignInRefused, Visitor
from server.gateway.pages.drawing import Drawing
from server.gateway.pages.rendering import HEADERS, html, make_templates
from server.gateway.peers import Peers
from server.gateway.responses import refuse

log = logging.getLogger(__name__)

_T = TypeVar("_T")
_MENU = (
    ("/", "Overview", None),
    ("/repositories", "Repositories", None),
    ("/search", "Search", TokenScope.SEARCH),
    ("/connect", "Connect", None),
    ("/latency", "Latency", None),
    ("/usage", "Usage", None),
    ("/benchmarks", "Benchmarks", TokenScope.ADMIN),
    ("/accounts", "Accounts", TokenScope.ADMIN),
    ("/audit", "Audit", TokenScope.ADMIN),
)
_TARGETS = frozenset({"/device", *(path for path, _, _ in _MENU)})
"""Where signing in leads."""
_READERS = (TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH, TokenScope.ADMIN)
_STATUSES: Mapping[type[IndexerError], int] = {
    NotPermitted: 403,
    LimitReached: 429,
    SourceRefused: 400,
    RepositoryError: 400,
    AccountsError: 400,
    RunRefused: 400,
    UnknownRun: 404,
    RunUnreadable: 409,
    NameTaken: 409,
    RequestRefused: 409,
}


@dataclass(frozen=True, slots=True)
class Guest:
    """Who looks at a page.

    Attributes:
        visitor: Who they are and what they may.
        key: What their forms are tied to: the secret of their sign-in, or of their browser before that.
    """

    visitor: Visitor
    key: str

    @property
    def admin(self) -> bool:
        """Whether they administrate."""
        return self.visitor.may(TokenScope.ADMIN)


Show = Callable[[web.Request, Guest], Awaitable[web.StreamResponse]]
Act = Callable[[Guest, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Desk:
    """Stands between requests and pages.

    Args:
        gate: Knows what tokens may.
        sign_ins: Who is signed in.
        peers: Tells whether a client is on this machine, and its connection encrypted.
        threads: Where blocking work runs.
        drawing: What draws charts, if anything does.
    """

    def __init__(
        self, gate: Gatekeeper, sign_ins: SignIns, peers: Peers, threads: Executor, drawing: Drawing | None
    ) -> None:
        self.gate = gate
        self.sign_ins = sign_ins
        self.threads = threads
        self._peers = peers
        self._templates = make_templates(drawing)
        # Forms do not outlive the process: whoever sends an older one is shown a new one.
        self._form_key = secrets.token_bytes(32)

    def show(self, page: Show, *scopes: TokenScope) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that shows a page to those whose token is for one of ``scopes``, by default any reader."""

        async def handle(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            if guest is None:
                raise web.HTTPSeeOther(f"/sign-in?to={quote(request.path_qs)}", headers=HEADERS)
            return await self._guarded(request, guest, scopes or _READERS, lambda: page(request, guest))

        return handle

    def act(self, action: Act, *scopes: TokenScope) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """Return a handler that does what a form asks for, on the same conditions, if the form is one of ours."""

        async def handle(request: web.Request) -> web.StreamResponse:
            guest = self._guest(request)
            if guest is None:
                raise web.HTTPSeeOther("/sign-in", headers=HEADERS)

            async def perform() -> web.StreamResponse:
                fields = await self.form(request, guest.key)
                # A form can be on its way for as long as a request may last.
                if not guest.visitor.welcome:
                    raise web.HTTPSeeOther("/sign-in", headers=HEADERS)
                return await action(guest, fields)

            return await self._guarded(request, guest, scopes or _READERS, perform)

        return handle

    def page(self, guest: Guest, template: str, status: int = 200, **values: Any) -> web.Response:
        """Render a page for somebody."""
        menu = [(path, title) for path, title, scope in _MENU if scope is None or guest.visitor.may(scope)]
        common = {
            "menu": menu,
            "user": guest.visitor.user,
            "signed_in": bool(guest.visitor.token_id),
            "admin": guest.admin,
            "csrf": self.seal(guest.key),
        }
        return html(self._templates.get_template(template).render(common | values), status)

    def stranger_page(self, request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
        """Render a page for somebody who is not signed in; its forms are tied to their browser by a cookie."""
        key = self.browser_key(request) or secrets.token_urlsafe(32)
        common = {"menu": [], "user": "", "signed_in": False, "admin": False, "csrf": self.seal(key)}
        response = html(self._templates.get_template(template).render(common | values), status)
        self._set_cookie(request, response, "form", key)
        return response

    async def form(self, request: web.Request, key: str) -> dict[str, str]:
        """Return the fields of a form that this server made for whoever sends it.

        Raises:
            web.HTTPError: It is no form, or another site's, or not theirs.
        """
        # Forms of ours are UTF-8. There are encodings that take half a second to read.
        encoding = (request.charset or "utf-8").lower()
        if request.content_type != "application/x-www-form-urlencoded" or encoding != "utf-8":
            refuse(415, "content-type", "This is no form.")
        try:
            posted = await request.post()
        except UnicodeDecodeError:
            refuse(400, "form", "This is no form.")
        ours = request.headers.get("Origin") is not None or request.headers.get("Sec-Fetch-Site") == "same-origin"
        # The middleware has turned away every other origin.
        fields = {name: value for name, value in posted.items() if isinstance(value, str)}
        sealed = fields.pop("csrf", "")
        if not ours or not key or not hmac.compare_digest(sealed.encode(), self.seal(key).encode()):
            metrics.REFUSED.labels("address").inc()
            refuse(403, "form", "This form has expired, or is not of this server.", "Go back, reload, and try again.")
        return fields

    @staticmethod
    def own_page(target: str) -> str:
        """Return ``target`` if it is a page, whatever its query asks for, and the overview otherwise."""
        return target if target.isascii() and target.isprintable() and target.partition("?")[0] in _TARGETS else "/"

    def seal(self, key: str) -> str:
        """Return what stands in the forms of whoever has ``key``."""
        return hmac.new(self._form_key, key.encode(), hashlib.sha256).hexdigest()

    def welcome(self, request: web.Request, response: web.StreamResponse, secret: str) -> None:
        """Let a browser hold a sign-in."""
        self._set_cookie(request, response, "session", secret, LONGEST_SECONDS)
        self.take_back(request, response, "form")

    def farewell(self, request: web.Request, response: web.StreamResponse) -> None:
        """Take it away again."""
        self.take_back(request, response, "session")

    def lend(self, request: web.Request, response: web.StreamResponse, name: str, value: str, seconds: float) -> None:
        """Let a browser hold something that it also sends when it comes back from another site, by a link alone."""
        self._set_cookie(request, response, name, value, seconds, samesite="Lax")

    def held(self, request: web.Request, name: str) -> str:
        """Return what a browser holds; empty when there is nothing, or what was never ours."""
        value = request.cookies.get(self._cookie(request, name), "")
        return value if value.isascii() else ""

    def take_back(self, request: web.Request, response: web.StreamResponse, name: str) -> None:
        """Take away again what a browser holds."""
        response.del_cookie(self._cookie(request, name), path="/", secure=self._peers.is_secure(request))

    def session(self, request: web.Request) -> str:
        """Return the secret that a browser holds, valid or not; empty without one."""
        return self.held(request, "session")

    def browser_key(self, request: web.Request) -> str:
        """Return what the forms of somebody who is not signed in are tied to; empty for a new browser."""
        return self.held(request, "form")

    def origin(self, request: web.Request) -> str:
        """Return the scheme and host by which a client asks."""
        return self._peers.origin(request)

    def address(self, request: web.Request) -> str:
        """Return the client's address."""
        return self._peers.address(request)

    async def in_thread(self, work: Callable[[], _T]) -> _T:
        """Run what blocks off the event loop."""
        return await asyncio.get_running_loop().run_in_executor(self.threads, work)

    def _guest(self, request: web.Request) -> Guest | None:
        if self.gate.open:
            if not self._peers.is_local(request):
                refuse(403, "no-accounts", "This server has no accounts yet and answers its own machine only.")
            # Nobody else can read our pages there, so the one secret of the process is theirs alone.
            return Guest(self.gate.recognise(None), "open")
        secret = self.session(request)
        token_id = self.sign_ins.find(secret, time.time()) if secret else ""
        try:
            return Guest(self.gate.remember(token_id), secret)
        except SignInRefused:
            return None

    async def _guarded(
        self,
        request: web.Request,
        guest: Guest,
        scopes: tuple[TokenScope, ...],
        work: Callable[[], Awaitable[web.StreamResponse]],
    ) -> web.StreamResponse:
        """Do it if they may; whatever is refused is said on a page."""
        try:
            if not guest.visitor.may(*scopes):
                metrics.REFUSED.labels("not_permitted").inc()
                refuse(403, "not-permitted", "Your token is not for this page.", "Ask an administrator.")
            return await work()
        except (web.HTTPError, IndexerError) as error:
            status, message, advice = _told(error)
            return self.page(guest, "refusal.html", status, here="", message=message, advice=advice)

    def _set_cookie(
        self,
        request: web.Request,
        response: web.StreamResponse,
        name: str,
        value: str,
        seconds: float | None = None,
        *,
        samesite: str = "Strict",
    ) -> None:
        response.set_cookie(
            self._cookie(request, name),
            value,
            max_age=None if seconds is None else int(seconds),
            path="/",
            secure=self._peers.is_secure(request),
            httponly=True,
            samesite=samesite,
        )

    def _cookie(self, request: web.Request, name: str) -> str:
        # With this prefix, browsers take it from this very host and over TLS alone.
        prefix = "__Host-" if self._peers.is_secure(request) else ""
        return f"{prefix}hearth-{name}"


def _told(error: web.HTTPError | IndexerError) -> tuple[int, str, str]:
    """Return the status, the message and the advice with which a refusal is answered."""
    if isinstance(error, web.HTTPError):
        if error.content_type == "application/json" and error.text:
            told = json.loads(error.text)["error"]
            return error.status, told["message"], told["advice"]
        return error.status, error.reason, ""
    if isinstance(error, UnknownRepository):
        return 404, "There is no such repository.", "Or you may not read it."
    for kind, status in _STATUSES.items():
        if isinstance(error, kind):
            return status, error.message, error.advice
    log.error("a page could not be made: %s", error)
    return 503, "This cannot be read or written now.", "The server's log says why."
