"""Users, groups and tokens."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from aiohttp import web

from server.accounts import Accounts, TokenScope
from server.accounts.tokens import EDITOR_SCOPES
from server.gateway.audit import Audit
from server.gateway.pages.desk import Desk, Guest
from server.gateway.pages.rendering import HEADERS
from server.gateway.responses import refuse

_DAY_SECONDS = 86_400.0
_MOST_DAYS = 3650
_MOST_LABEL = 100


class AccountPages:
    """The page of accounts.

    Args:
        desk: Renders it.
        accounts: What it shows and changes.
        audit: Where changes are written down, with the events of the commands.
    """

    def __init__(self, desk: Desk, accounts: Accounts, audit: Audit) -> None:
        self._desk = desk
        self._accounts = accounts
        self._audit = audit
        self._changes: Mapping[str, Callable[[Guest, Mapping[str, str]], str]] = {
            "add-user": self._add_user,
            "remove-user": self._remove_user,
            "extend-group": self._extend_group,
            "reduce-group": self._reduce_group,
            "create-token": self._create_token,
            "revoke-token": self._revoke_token,
        }

    async def show(self, _: web.Request, guest: Guest) -> web.Response:
        """``GET /accounts``."""
        return await self._desk.in_thread(partial(self._page, guest))

    async def change(self, guest: Guest, fields: Mapping[str, str]) -> web.Response:
        """``POST /accounts``: do what the button says. A new token is shown in the answer, and never again."""
        change = self._changes.get(fields.get("action", ""))
        if change is None:
            refuse(400, "action", "This form asks for nothing that there is.")
        secret = await self._desk.in_thread(partial(change, guest, fields))
        if secret:
            return await self._desk.in_thread(partial(self._page, guest, secret))
        return web.Response(status=303, headers={"Location": "/accounts", **HEADERS})

    def _page(self, guest: Guest, secret: str = "") -> web.Response:  # none by default  # nosec B107
        directory, now = self._accounts.directory(), time.time()
        groups = sorted({*directory.grants, *(group for groups in directory.users.values() for group in groups)})
        return self._desk.page(
            guest,
            "accounts.html",
            here="/accounts",
            secret=secret,
            users=[(user, sorted(groups)) for user, groups in directory.users.items()],
            issuers=directory.issuers,
            groups=[
                (
                    group,
                    [user for user, theirs in directory.users.items() if group in theirs],
                    sorted(directory.grants.get(group, ())),
                )
                for group in groups
            ],
            tokens=[
                (token, sorted(token.scopes), token.user in directory.users and token.usable(now))
                for token in sorted(directory.tokens.values(), key=lambda token: -token.created)
            ],
            scopes=[(scope.value, scope in EDITOR_SCOPES) for scope in TokenScope],
        )

    def _add_user(self, guest: Guest, fields: Mapping[str, str]) -> str:
        user, groups = fields.get("user", "").strip(), fields.get("groups", "").split()
        if not guest.visitor.token_id:
            # From the first user on everybody needs a token, and whoever adds them here has none.
            refuse(409, "first-user", "The first user is added by command.", f"On the server: hearth user add {user}")
        self._accounts.add_user(user, groups)
        return self._note(guest, "user-added", subject=user, groups=sorted(groups))

    def _remove_user(self, guest: Guest, fields: Mapping[str, str]) -> str:
        user = fields.get("user", "")
        if fields.get("confirm") != user:
            refuse(400, "confirm", "The user was not removed.", f"To confirm, write the name: {user}")
        self._accounts.remove_user(user)
        return self._note(guest, "user-removed", subject=user)

    def _extend_group(self, guest: Guest, fields: Mapping[str, str]) -> str:
        return self._change_group(guest, fields, self._accounts.add_to_group, "group-extended")

    def _reduce_group(self, guest: Guest, fields: Mapping[str, str]) -> str:
        return self._change_group(guest, fields, self._accounts.remove_from_group, "group-reduced")

    def _change_group(self, guest: Guest, fields: Mapping[str, str], change: Callable[..., None], event: str) -> str:
        group = fields.get("group", "").strip()
        users, repositories = fields.get("users", "").split(), fields.get("repositories", "").split()
        # With neither, the command takes the whole group away; a field left empty must not.
        if not users and not repositories:
            refuse(400, "fields", "Nothing was changed.", "Name users, repositories or both.")
        change(group, users=users, repositories=repositories)
        return self._note(guest, event, subject=group, users=sorted(users), repositories=sorted(repositories))

    def _create_token(self, guest: Guest, fields: Mapping[str, str]) -> str:
        user, label = fields.get("user", ""), fields.get("label", "").strip()[:_MOST_LABEL]
        scopes = [scope for scope in TokenScope if fields.get(f"scope-{scope.value}")]
        days = fields.get("days", "").strip()
        if not scopes:
            refuse(400, "scopes", "No token was made.", "Choose what it is for.")
        if not label.isprintable() or not (days.isascii() and days.isdigit() and 0 <= int(days[:6]) <= _MOST_DAYS):
            refuse(400, "fields", "No token was made.", f"It may last from 1 to {_MOST_DAYS} days, or 0 for ever.")
        token, secret = self._accounts.add_token(user, scopes, label=label, seconds=int(days[:6]) * _DAY_SECONDS)
        self._note(guest, "token-created", subject=user, token=token.id, scopes=sorted(scopes))
        return secret

    def _revoke_token(self, guest: Guest, fields: Mapping[str, str]) -> str:
        token = self._accounts.revoke_token(fields.get("id", ""))
        return self._note(guest, "token-revoked", subject=token.user, token=token.id)

    def _note(self, guest: Guest, event: str, **facts: Any) -> str:
        self._audit.note(event, user=guest.visitor.user, **facts)
        return ""
