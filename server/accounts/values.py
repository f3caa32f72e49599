"""What is known of accounts at one moment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from server.accounts.tokens import TokenKind, TokenScope

TOKENS = "SELECT id, user_name, label, scopes, tokens.created, expires, revoked, kind, parent, digest FROM tokens"
"""Begins a statement whose rows are tokens."""


@dataclass(frozen=True, slots=True)
class Token:
    """A token as it is stored. Times are seconds since the epoch; ``expires`` and ``revoked`` are 0.0 for never.

    It is revoked with its ``parent``, on whose strength it was given out; empty without one.
    """

    id: str
    user: str
    label: str
    scopes: frozenset[TokenScope]
    created: float
    expires: float = 0.0
    revoked: float = 0.0
    kind: TokenKind = TokenKind.MADE
    parent: str = ""
    digest: bytes = field(default=b"", repr=False)

    def usable(self, now: float) -> bool:
        """Whether it is neither revoked nor expired."""
        return not self.revoked and (not self.expires or now < self.expires)


@dataclass(frozen=True, slots=True)
class Directory:
    """Every account at one moment.

    Attributes:
        users: Groups by user.
        grants: Patterns of repository names by group.
        tokens: Every token that was given out, by its id; of those from sign-ins, the ones that are not over.
        issuers: The provider at which a user signs in, for those who do.
    """

    users: Mapping[str, frozenset[str]] = field(default_factory=dict)
    grants: Mapping[str, frozenset[str]] = field(default_factory=dict)
    tokens: Mapping[str, Token] = field(default_factory=dict)
    issuers: Mapping[str, str] = field(default_factory=dict)


def read_token(row: tuple[Any, ...]) -> Token:
    """Make a token of a row of ``TOKENS``."""
    token_id, user, label, scopes, created, expires, revoked, kind, parent, digest = row
    return Token(
        token_id,
        user,
        label,
        frozenset(map(TokenScope, scopes.split())),
        created,
        expires,
        revoked,
        TokenKind(kind),
        parent,
        digest,
    )
