"""Signing in at the company's provider: off to it, and back with a code."""

from __future__ import annotations

import hmac
import re
import time
from collections.abc import Callable
from functools import partial

from aiohttp import web

from server.accounts import Token, TokenKind, TokenScope
from server.accounts.tokens import EDITOR_SCOPES
from server.errors import AccountsError, IdentityRefused, ProviderUnavailable, ServerError
from server.gateway import metrics
from server.gateway.pages.desk import Desk
from server.gateway.pages.rendering import HEADERS
from server.gateway.pages.sign_in import SignInPage
from server.gateway.parts import Parts
from server.oidc import Attempt, AttemptSeal, Identity, Provider, identify
from server.oidc.attempt import ATTEMPT_SECONDS

CALLBACK = "/sign-in/callback"
_HOUR_SECONDS = 3600.0
_MOST_CODE = 4096
_COOKIE = "provider"
_AGAIN = "Begin again."


class ProviderPage:
    """The way to the provider and back.

    Args:
        desk: Knows browsers.
        sign_in: Where the way begins and ends.
        provider: Says who somebody is.
        parts: Who is let in, as what, where they are kept, and what is written down of it.
        note_refusal: Writes down the address and reason of a refusal.
    """

    def __init__(
        self,
        desk: Desk,
        sign_in: SignInPage,
        provider: Provider,
        parts: Parts,
        note_refusal: Callable[[str, str], None],
    ) -> None:
        self._desk = desk
        self._sign_in = sign_in
        self._provider = provider
        self._config = parts.config.oidc
        self._accounts = parts.accounts
        self._audit = parts.audit
        self._note_refusal = note_refusal
        self._seal = AttemptSeal()

    async def leave(self, request: web.Request) -> web.Response:
        """``GET /sign-in/provider``: send the browser there."""
        to = self._desk.own_page(request.query.get("to", "/"))
        held, attempt = self._seal.begin(to, time.time())
        try:
            url = await self._provider.authorization_url(attempt)
        except ProviderUnavailable as error:
            return self._refused(request, error, to)
        response = web.Response(status=303, headers={"Location": url, **HEADERS})
        self._desk.lend(request, response, _COOKIE, held, ATTEMPT_SECONDS)
        return response

    async def come_back(self, request: web.Request) -> web.Response:
        """``GET /sign-in/callback``: let in whom the provider vouches for."""
        try:
            attempt, code = self._answer(request)
            claims = await self._provider.redeem(code, attempt)
            token = await self._admit(str(claims["sub"]), partial(identify, claims, self._config))
        except (ProviderUnavailable, IdentityRefused, AccountsError) as error:
            response = self._refused(request, error)
        else:
            metrics.PROVIDER_SIGN_INS.labels("ok").inc()
            response = await self._sign_in.begin(request, token, attempt.to, abroad=True)
        self._desk.take_back(request, response, _COOKIE)
        return response

    def _answer(self, request: web.Request) -> tuple[Attempt, str]:
        """Return the attempt of a browser and the code that it brings, if that is the answer to what it asked."""
        query = request.query
        attempt = self._seal.open(self._desk.held(request, _COOKIE), time.time())
        state = query.get("state", "").encode("utf-8", "replace")
        if attempt is None or not hmac.compare_digest(state, attempt.state.encode()):
            raise IdentityRefused("this sign-in had expired, or began in another browser", advice=_AGAIN)
        if query.get("iss", self._config.issuer) != self._config.issuer:
            raise IdentityRefused("this answer is another provider's", advice=_AGAIN)
        if "error" in query:
            told = query["error"] if re.fullmatch(r"[a-z_]{1,40}", query["error"]) else "for no reason that is known"
            raise IdentityRefused(f"the provider did not sign you in: {told}", advice=_AGAIN)
        if not 0 < len(query.get("code", "")) <= _MOST_CODE:
            raise IdentityRefused("the provider sent no code", advice=_AGAIN)
        return attempt, query["code"]

    async def _admit(self, subject: str, identified: Callable[[], Identity]) -> Token:
        """Return a token for the browser of somebody; who is not let in any more loses what they had."""
        desk, issuer = self._desk, self._config.issuer
        try:
            identity = identified()
        except IdentityRefused:
            user = await desk.in_thread(partial(self._accounts.withdraw, issuer, subject))
            if user is not None:
                self._audit.note("user-withdrawn", user=user, subject=subject)
            raise
        user = await desk.in_thread(
            partial(self._accounts.admit, issuer, identity.subject, identity.user, identity.groups)
        )
        scopes = {*EDITOR_SCOPES, *([TokenScope.ADMIN] if identity.admin else [])}
        token, _ = await desk.in_thread(
            partial(
                self._accounts.add_token,
                user,
                scopes,
                label="browser",
                seconds=self._config.hours * _HOUR_SECONDS,
                kind=TokenKind.BROWSER,
            )
        )
        self._audit.note("user-admitted", user=user, token=token.id, subject=subject, groups=sorted(identity.groups))
        return token

    def _refused(self, request: web.Request, error: ServerError, to: str = "/") -> web.Response:
        unavailable = isinstance(error, ProviderUnavailable)
        metrics.PROVIDER_SIGN_INS.labels("unavailable" if unavailable else "refused").inc()
        if not unavailable:
            metrics.REFUSED.labels("sign_in").inc()
        self._note_refusal(self._desk.address(request), error.message)
        message = f"{error.message[:1].upper()}{error.message[1:]}. {error.advice}".rstrip()
        return self._sign_in.form(request, to, message, 503 if unavailable else 403)
