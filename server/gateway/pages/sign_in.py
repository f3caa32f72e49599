"""Signing in and out. A browser shows a token once, or comes from a provider, and holds a sign-in from then on."""

from __future__ import annotations

import time
from collections.abc import Callable

from aiohttp import web

from server.accounts import Accounts, Token, TokenKind
from server.gateway import metrics
from server.gateway.access import SignInRefused
from server.gateway.audit import Audit
from server.gateway.pages.desk import Desk
from server.gateway.pages.rendering import HEADERS


class SignInPage:
    """The page that asks for a token, or sends people to the provider.

    Whatever proves who somebody is ends in :meth:`begin` with a token of theirs.

    Args:
        desk: Knows the forms.
        accounts: Where the tokens are that only a browser's sign-in stands on.
        audit: Where is written down who came and went.
        note_refusal: Writes down the address and reason of a refusal.
        provider: What people sign in with at the provider; empty without one.
    """

    def __init__(
        self,
        desk: Desk,
        accounts: Accounts,
        audit: Audit,
        note_refusal: Callable[[str, str], None],
        provider: str = "",
    ) -> None:
        self._desk = desk
        self._accounts = accounts
        self._provider = provider
        self._audit = audit
        self._note_refusal = note_refusal

    async def ask(self, request: web.Request) -> web.Response:
        """``GET /sign-in``: show the form."""
        return self.form(request, request.query.get("to", "/"))

    async def sign_in(self, request: web.Request) -> web.Response:
        """``POST /sign-in``: take a token, and begin."""
        try:
            fields = await self._desk.form(request, self._desk.browser_key(request))
        except web.HTTPForbidden:
            return self.form(request, "/", "This form had expired. Here is a new one.", 403)
        to = fields.get("to", "/")
        try:
            token = self._desk.gate.authenticate(fields.get("token", "").strip())
        except SignInRefused as reason:
            metrics.REFUSED.labels("sign_in").inc()
            self._note_refusal(self._desk.address(request), str(reason))
            return self.form(request, to, str(reason), 401)
        return await self.begin(request, token, to)

    async def begin(self, request: web.Request, token: Token, to: str = "/", *, abroad: bool = False) -> web.Response:
        """Sign in the browser that sent a request as the holder of a token, and send it on to a page.

        One that comes from ``abroad``, another site, would not send our cookie along if it were redirected: a page of
        ours sends it on.
        """
        desk = self._desk
        secret = await desk.in_thread(lambda: desk.sign_ins.begin(token.id, time.time()))
        self._audit.note("signed-in", user=token.user, token=token.id, address=desk.address(request))
        to = desk.own_page(to)
        response = desk.stranger_page(request, "signed_in.html", here="", to=to) if abroad else _onwards(to)
        desk.welcome(request, response, secret)
        return response

    async def sign_out(self, request: web.Request) -> web.Response:
        """``POST /sign-out``: end the sign-in."""
        desk, secret = self._desk, self._desk.session(request)
        await desk.form(request, secret)
        token = desk.gate.token(desk.sign_ins.find(secret, time.time()))
        await desk.in_thread(lambda: desk.sign_ins.end(secret))
        if token is not None:
            if token.kind is TokenKind.BROWSER:
                await desk.in_thread(lambda: self._accounts.forget_sign_in(token.id))
            self._audit.note("signed-out", user=token.user, token=token.id, address=desk.address(request))
        response = _onwards("/sign-in")
        desk.farewell(request, response)
        return response

    def form(self, request: web.Request, to: str, refused: str = "", status: int = 200) -> web.Response:
        """Return the page, with what went wrong."""
        return self._desk.stranger_page(
            request, "sign_in.html", status, here="", to=to, refused=refused, provider=self._provider
        )


def _onwards(to: str) -> web.Response:
    return web.Response(status=303, headers={"Location": to, **HEADERS})
