"""What is known of accounts at one moment."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from server.accounts.tokens import TokenKind, TokenScope, digest


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

    @property
    def empty(self) -> bool:
        """Whether there never was an account. A server without any is one developer's own."""
        return not self.users and not self.tokens

    def authenticate(self, secret: str, now: float) -> Token | None:
        """Return the token that ``secret`` is, if it may be used; takes the same time whichever it is."""
        presented, found = digest(secret), None
        for token in self.tokens.values():
            if hmac.compare_digest(token.digest, presented):
                found = token
        return found if found is not None and self.holds(found.id, now) else None

    def holds(self, token_id: str, now: float) -> bool:
        """Whether a token may be used now."""
        token = self.tokens.get(token_id)
        return token is not None and token.user in self.users and token.usable(now)

    def readable(self, user: str, repositories: Iterable[str]) -> frozenset[str]:
        """Return those of ``repositories`` that a group of the user was granted."""
        groups = self.users.get(user, frozenset())
        patterns = [pattern for group in groups for pattern in self.grants.get(group, ())]
        return frozenset(name for name in repositories if any(fnmatchcase(name, pattern) for pattern in patterns))
