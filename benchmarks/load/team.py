"""The accounts of a team: one user for each editor, in groups that may read everything."""

from __future__ import annotations

from pathlib import Path

from server.accounts import Accounts, TokenScope

_GROUPS = 10


def add_team(data: Path, users: int) -> list[str]:
    """Add so many users to the accounts in a data directory; return their tokens."""
    with Accounts(data) as accounts:
        tokens = []
        for number in range(users):
            name = f"developer-{number}"
            accounts.add_user(name, [f"team-{number % _GROUPS}"])
            tokens.append(accounts.add_token(name, tuple(TokenScope), label="load")[1])
        for number in range(min(users, _GROUPS)):
            accounts.add_to_group(f"team-{number}", repositories=["*"])
    return tokens
