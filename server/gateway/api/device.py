"""The routes by which an editor is signed in: it asks, somebody at a browser says yes, and it fetches its token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any, TypeVar

from aiohttp import web

from server.accounts import Accounts, Token, TokenKind
from server.accounts.tokens import EDITOR_SCOPES
from server.errors import AccountsError
from server.gateway.access import Gatekeeper
from server.gateway.api.body import read_fields
from server.gateway.api.routes import LetIn
from server.gateway.audit import Audit
from server.gateway.device import INTERVAL_SECONDS, LIFETIME_SECONDS, Answer, DeviceSignIns, Waiting
from server.gateway.peers import Peers
from server.gateway.responses import refuse

_ROUTE = "/api/v1/device"
_HOUR_SECONDS = 3600.0
_MOST_NAME = 60
_SAID = {
    Answer.PENDING: ("Nobody has let the editor in yet.", "Ask again after the interval."),
    Answer.TOO_SOON: ("That is too soon.", "Wait longer between two questions."),
    Answer.REFUSED: ("The editor was not let in.", ""),
    Answer.EXPIRED: ("It took too long, or the server was restarted meanwhile.", "Begin again."),
}
_T = TypeVar("_T")


class DeviceRoutes:
    """Lets editors in.

    Args:
        let_in: Recognises who asks.
        gate: Knows the accounts.
        accounts: Where tokens are made.
        waiting: The editors that wait.
        peers: Tells where requests come from.
        audit: Where is written down who was let in.
        threads: Where blocking work runs.
        public_url: Where browsers reach the server; empty means where the editor does.
        hours: How long an editor stays signed in.
    """

    def __init__(
        self,
        let_in: LetIn,
        *,
        gate: Gatekeeper,
        accounts: Accounts,
        waiting: DeviceSignIns,
        peers: Peers,
        audit: Audit,
        threads: Executor,
        public_url: str,
        hours: float,
    ) -> None:
        self._let_in = let_in
        self._gate = gate
        self._accounts = accounts
        self._waiting = waiting
        self._peers = peers
        self._audit = audit
        self._threads = threads
        self._public_url = public_url.rstrip("/")
        self._seconds = hours * _HOUR_SECONDS

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        router.add_post(_ROUTE, self._begin)
        router.add_post(f"{_ROUTE}/token", self._hand_out)
        router.add_delete(f"{_ROUTE}/token", self._take_back)

    async def _begin(self, request: web.Request) -> web.Response:
        if self._gate.open:
            refuse(409, "no-accounts", "This server has no accounts, so that nobody signs in.")
        fields = await read_fields(request, None, {"client": str, "machine": str})
        client, machine = (_name(fields.get(name, "")) for name in ("client", "machine"))
        secret, made = self._waiting.begin(client, machine, self._peers.address(request))
        page = f"{self._public_url or self._peers.origin(request)}/device"
        return web.json_response(
            {
                "deviceCode": secret,
                "userCode": made.code,
                "verificationUri": page,
                "verificationUriComplete": f"{page}?code={made.code}",
                "expiresIn": int(LIFETIME_SECONDS),
                "interval": int(INTERVAL_SECONDS),
            }
        )

    async def _hand_out(self, request: web.Request) -> web.Response:
        fields = await read_fields(request, None, {"deviceCode": str})
        answer, waiting = self._waiting.poll(fields.get("deviceCode", ""))
        by = waiting.token if waiting is not None else None
        if waiting is None or by is None:
            refuse(400, answer.value, *_SAID[answer])
        if not self._gate.welcomes(by):
            refuse(400, Answer.REFUSED.value, "Whoever let the editor in was shut out meanwhile.")
        return await self._token_for(waiting, by)

    async def _token_for(self, waiting: Waiting, by: Token) -> web.Response:
        seconds = self._seconds
        if by.kind is not TokenKind.BROWSER and by.expires:
            # What stands on a token ends with it; at a provider its user signs in again anyway.
            seconds = min(seconds, by.expires - time.time())
        label = " on ".join(filter(None, (waiting.client, waiting.machine)))
        scopes = by.scopes.intersection(EDITOR_SCOPES)
        token, secret = await self._do(
            partial(
                self._accounts.add_token,
                by.user,
                scopes,
                label=label,
                seconds=seconds,
                kind=TokenKind.EDITOR,
                parent=by.id,
            )
        )
        self._audit.note("editor-signed-in", user=by.user, token=token.id, label=label, address=waiting.address)
        return web.json_response(
            {"token": secret, "user": by.user, "scopes": sorted(scopes), "expiresAt": round(token.expires, 3)}
        )

    async def _take_back(self, request: web.Request) -> web.Response:
        visitor = self._let_in(request, *EDITOR_SCOPES)
        token = self._gate.token(visitor.token_id)
        if token is None or token.kind is not TokenKind.EDITOR:
            refuse(409, "not-signed-in", "This token is not from a sign-in.", "Administrators revoke those they made.")
        await self._do(partial(self._accounts.revoke_token, token.id))
        self._audit.note("editor-signed-out", user=token.user, token=token.id, address=self._peers.address(request))
        return web.json_response({"token": token.id})

    async def _do(self, work: Callable[[], _T]) -> _T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except AccountsError as error:
            refuse(409, error.code, error.message, error.advice)


def _name(text: Any) -> str:
    """Return what an editor says of itself as something that can be shown: one short line."""
    return "".join(letter for letter in str(text) if letter.isprintable())[:_MOST_NAME].strip()
