"""Letting an editor in that asks to be signed in, with the code that it shows."""

from __future__ import annotations

from collections.abc import Mapping

from aiohttp import web

from server.accounts.tokens import EDITOR_SCOPES
from server.gateway.audit import Audit
from server.gateway.device import DeviceSignIns, Waiting
from server.gateway.pages.desk import Desk, Guest
from server.gateway.responses import refuse


class DevicePage:
    """The page of editors that wait.

    Args:
        desk: Renders it.
        waiting: The editors.
        audit: Where refusals are written down; who is let in is when their token is made.
    """

    def __init__(self, desk: Desk, waiting: DeviceSignIns, audit: Audit) -> None:
        self._desk = desk
        self._waiting = waiting
        self._audit = audit

    async def show(self, request: web.Request, guest: Guest) -> web.Response:
        """``GET /device``: ask for a code; with ``?code=``, which editors put into their link, show who asks."""
        code = request.query.get("code", "")
        found = self._find(guest, code) if code else None
        address = self._desk.address(request)
        return self._desk.page(
            guest,
            "device.html",
            here="",
            code=code,
            waiting=found,
            elsewhere=found is not None and found.address != address,
            address=address,
            scopes=[scope.value for scope in EDITOR_SCOPES if guest.visitor.may(scope)],
            decided="",
        )

    async def decide(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /device``: let the editor in, or not."""
        found = self._find(guest, fields.get("code", ""))
        action = fields.get("action", "")
        if found is None or action not in {"allow", "refuse"}:
            refuse(
                404, "not-found", "No editor waits with this code.", "Let it ask again; it may have waited too long."
            )
        token = self._desk.gate.token(guest.visitor.token_id)
        if token is None:
            refuse(403, "not-permitted", "Your token was revoked meanwhile.", "Sign in again.")
        if action == "allow" and token.scopes.isdisjoint(EDITOR_SCOPES):
            refuse(403, "not-permitted", "Your token is for nothing that an editor does.", "Ask an administrator.")
        self._waiting.decide(found, token if action == "allow" else None)
        if action == "refuse":
            self._audit.note("editor-refused", user=token.user, address=found.address, subject=found.client)
        return self._desk.page(guest, "device.html", here="", waiting=found, decided=action)

    def _find(self, guest: Guest, code: str) -> Waiting | None:
        if not guest.visitor.token_id:
            refuse(409, "no-accounts", "This server has no accounts, so that nobody signs in.")
        return self._waiting.find(guest.visitor.user, code)
