"""``hearth user``, ``group``, ``token`` and ``audit``: the accounts of the team server and what was done with them."""

from __future__ import annotations

import getpass
import json
import sys
import time
from collections.abc import Collection
from datetime import UTC, datetime
from typing import Any

from indexer.errors import DataDirectoryError
from server.accounts import Accounts, Directory, Token, TokenScope
from server.cli.output import print_json
from server.config import HearthConfig
from server.gateway import audit

_DAY_SECONDS = 86_400.0


def add_user(config: HearthConfig, user: str, groups: Collection[str]) -> None:
    """Add a user, in some groups."""
    with Accounts(config.data.directory) as accounts:
        accounts.add_user(user, groups)
    _note(config, "user-added", subject=user, groups=sorted(groups))


def remove_user(config: HearthConfig, user: str) -> None:
    """Remove a user; their tokens are of no use from now on."""
    with Accounts(config.data.directory) as accounts:
        accounts.remove_user(user)
    _note(config, "user-removed", subject=user)


def list_users(config: HearthConfig, *, as_json: bool) -> None:
    """Print every user with their groups."""
    directory = _directory(config)
    rows = [
        {"user": user, "groups": sorted(groups), "provider": directory.issuers.get(user, "")}
        for user, groups in directory.users.items()
    ]
    _print(rows, as_json=as_json)


def change_group(
    config: HearthConfig, group: str, *, users: Collection[str], repositories: Collection[str], remove: bool
) -> None:
    """Put users and repositories into a group, or take them out."""
    with Accounts(config.data.directory) as accounts:
        change = accounts.remove_from_group if remove else accounts.add_to_group
        change(group, users=users, repositories=repositories)
    event = "group-reduced" if remove else "group-extended"
    _note(config, event, subject=group, users=sorted(users), repositories=sorted(repositories))


def list_groups(config: HearthConfig, *, as_json: bool) -> None:
    """Print every group with its users and what it may read."""
    directory = _directory(config)
    names = sorted({*directory.grants, *(group for groups in directory.users.values() for group in groups)})
    rows = [
        {
            "group": name,
            "users": [user for user, groups in directory.users.items() if name in groups],
            "repositories": sorted(directory.grants.get(name, ())),
        }
        for name in names
    ]
    _print(rows, as_json=as_json)


def create_token(
    config: HearthConfig, user: str, scopes: Collection[TokenScope], *, label: str, days: float, as_json: bool
) -> None:
    """Make a token and print its secret, this once."""
    with Accounts(config.data.directory) as accounts:
        token, secret = accounts.add_token(user, scopes, label=label, seconds=days * _DAY_SECONDS)
    _note(config, "token-created", subject=user, token=token.id, scopes=sorted(token.scopes))
    if as_json:
        print_json({**_token_row(token), "token": secret})
        return
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(
        f"hearth: this is token {token.id} of {user}. It is shown this once and kept nowhere: store it now.\n"
    )


def revoke_token(config: HearthConfig, token_id: str) -> None:
    """Make a token useless; a running server closes the connections that were made with it."""
    with Accounts(config.data.directory) as accounts:
        token = accounts.revoke_token(token_id)
    _note(config, "token-revoked", subject=token.user, token=token.id)


def list_tokens(config: HearthConfig, *, as_json: bool) -> None:
    """Print every token that was ever given out, without its secret."""
    _print([_token_row(token) for token in _directory(config).tokens.values()], as_json=as_json)


def export_audit(config: HearthConfig, *, user: str, since: datetime | None) -> None:
    """Print the lines of the audit log that are of a user and not older than a time; a damaged one as it is."""
    begin = since.replace(tzinfo=UTC).isoformat(timespec="milliseconds") if since is not None else ""
    try:
        for line in audit.read(config.data.directory):
            entry = _parsed(line)
            if entry.get("at", begin) >= begin and (not user or entry.get("user") == user):
                sys.stdout.write(f"{line}\n")
    except OSError as error:
        raise DataDirectoryError(
            f"the audit log cannot be read: {error}", advice="Only the user who runs the server may read it."
        ) from error


def _parsed(line: str) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}


def _directory(config: HearthConfig) -> Directory:
    with Accounts(config.data.directory) as accounts:
        return accounts.directory()


def _note(config: HearthConfig, event: str, **facts: Any) -> None:
    audit.note_now(config.data.directory, config.server.audit, event, user=getpass.getuser(), **facts)


def _token_row(token: Token) -> dict[str, Any]:
    now = time.time()
    state = "revoked" if token.revoked else "usable" if token.usable(now) else "expired"
    return {
        "id": token.id,
        "user": token.user,
        "label": token.label,
        "scopes": sorted(token.scopes),
        "created": _date(token.created),
        "expires": _date(token.expires),
        "state": state,
    }


def _date(seconds: float) -> str | None:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds") if seconds else None


def _print(rows: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json(rows)
        return
    if not rows:
        sys.stdout.write("There is none.\n")
        return
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(rows[0]))]
    for line in lines:
        sys.stdout.write("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n")


def _cell(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value or "-")
