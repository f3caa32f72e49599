"""Who is at the door, and what they may do: tokens in, principals out."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field

from server.accounts import AccountsReader, Token, TokenScope
from server.accounts.tokens import PREFIX, is_well_formed
from server.errors import NotPermitted
from server.gateway.limits import RateLimits
from server.principal import Work
from server.types import Caller

_SCOPES = {
    Work.COMPLETE: TokenScope.COMPLETE,
    Work.EXPLAIN: TokenScope.EXPLAIN,
    Work.SEARCH: TokenScope.SEARCH,
    Work.HOVER: TokenScope.EXPLAIN,
}
_LOCAL_USER = "local"


class SignInRefused(Exception):
    """Nobody was recognised; the message is for the one who tried."""


@dataclass(frozen=True, slots=True)
class Rights:
    """What a user may read at one moment.

    Attributes:
        readable: The names of repositories.
        team: The team that they count for, whose model they have if it has one; empty without.
        tenant: The same for users who may read the same repositories, and for no others.
    """

    readable: frozenset[str]
    team: str
    tenant: str


@dataclass(frozen=True, slots=True)
class _Known:
    """What was looked up for one version of the accounts and of the names of repositories."""

    version: int = -1
    generation: int = -1
    open: bool = False
    rights: dict[str, Rights] = field(default_factory=dict)
    tokens: dict[str, Token | None] = field(default_factory=dict)


class Visitor:
    """Somebody who is connected: the user of a token, or whoever works on the machine of a server without accounts.

    Args:
        gate: Knows the accounts.
        token: As it was when they came; ``None`` on a server without accounts.
    """

    def __init__(self, gate: Gatekeeper, token: Token | None) -> None:
        self._gate = gate
        self._token = token

    @property
    def user(self) -> str:
        """Their name."""
        return self._token.user if self._token is not None else _LOCAL_USER

    @property
    def token_id(self) -> str:
        """The id of their token; empty on a server without accounts."""
        return self._token.id if self._token is not None else ""

    @property
    def caller(self) -> Caller:
        """On whose behalf engines are asked: who may read the same repositories shares what a model server keeps."""
        if self._token is None:
            return Caller(user=_LOCAL_USER)
        rights = self._gate.rights(self.user)
        return Caller(self.user, rights.team, rights.tenant)

    @property
    def readable(self) -> frozenset[str] | None:
        """What they may read now."""
        return self._gate.rights(self.user).readable if self._token is not None else None

    def may_read(self, repository: str) -> bool:
        """Whether they may read a repository of that name, published or not yet."""
        return self._token is None or self._gate.may_read(self.user, repository)

    @property
    def welcome(self) -> bool:
        """Whether they may still be connected: nothing was revoked, and nothing has expired."""
        return self._gate.welcomes(self._token)

    @property
    def seems_welcome(self) -> bool:
        """As :attr:`welcome`, by what was known a moment ago: for looking at very many in turn."""
        return self._gate.seems_to_welcome(self._token)

    def may(self, *scopes: TokenScope) -> bool:
        """Whether their token is for one of these."""
        return self._token is None or not self._token.scopes.isdisjoint(scopes)

    def permit(self, work: Work) -> None:
        """Let work begin, if the token is for it and there was not too much lately."""
        scope = _SCOPES[work]
        if not self.may(scope):
            raise NotPermitted(
                f"this token is not for {scope.value!r}", advice="Ask an administrator for one with that scope."
            )
        if self._token is not None:
            self._gate.limits.take(self.user, work)


class Gatekeeper:
    """Recognises visitors, and knows what each may read.

    Args:
        accounts: Users, groups and tokens, asked again whenever they have changed.
        repositories: Returns the names of all published repositories, and a number that changes with them.
        limits: Counts what users ask for.
        everyone_reads: Whether every user may read every repository.
        provider: Whether there is a provider at which people sign in, so that nobody needs to be known beforehand.
        teams: Groups that have a model of their own, or are told apart in metrics; who is in several counts for the
            first one here.
    """

    def __init__(
        self,
        accounts: AccountsReader,
        repositories: Callable[[], tuple[int, Collection[str]]],
        limits: RateLimits,
        *,
        everyone_reads: bool = False,
        provider: bool = False,
        teams: Sequence[str] = (),
    ) -> None:
        self.limits = limits
        self._accounts = accounts
        self._repositories = repositories
        self._everyone_reads = everyone_reads
        self._teams = teams
        self._known = _Known()
        self._empty = not provider

    @property
    def open(self) -> bool:
        """Whether nobody ever could sign in: then the server is for those who work on its machine."""
        if self._empty:
            self._empty = self._accounts.empty()
        return self._empty

    def recognise(self, authorization: str | None) -> Visitor:
        """Return who sent a header ``Authorization: Bearer TOKEN``.

        Raises:
            SignInRefused: It is missing, of another form, or not of a token that may be used.
        """
        self._accounts.look_again()
        if self.open:
            return Visitor(self, None)
        if not authorization:
            raise SignInRefused(f"This server needs a token, in the header `Authorization: Bearer {PREFIX}…`.")
        scheme, _, secret = authorization.strip().partition(" ")
        if scheme.lower() != "bearer":
            raise SignInRefused("The header `Authorization` does not begin with `Bearer`.")
        return Visitor(self, self.authenticate(secret.strip()))

    def authenticate(self, secret: str) -> Token:
        """Return the token that a secret is.

        Raises:
            SignInRefused: It is not of one that may be used.
        """
        if not is_well_formed(secret):
            raise SignInRefused("This is not a whole token: was it cut off or mistyped?")
        token = self._accounts.authenticate(secret, time.time())
        if token is None:
            raise SignInRefused("This token was revoked, has expired or was never given out.")
        return token

    def remember(self, token_id: str) -> Visitor:
        """Return who showed a token earlier.

        Raises:
            SignInRefused: It may not be used any more.
        """
        self._accounts.look_again()
        token = self.token(token_id) if token_id else None
        if token is None or not token.usable(time.time()):
            raise SignInRefused("You are not signed in, or not any more.")
        return Visitor(self, token)

    def welcomes(self, token: Token | None) -> bool:
        """Whether the holder of a token may still be connected. What is asked next is as new as this."""
        self._accounts.look_again()
        return self.seems_to_welcome(token)

    def seems_to_welcome(self, token: Token | None) -> bool:
        """As :meth:`welcomes`, by what was known a moment ago."""
        known = self._look()
        if token is None:
            return known.open
        if token.id not in known.tokens:
            known.tokens[token.id] = self._accounts.token(token.id)
        found = known.tokens[token.id]
        return found is not None and found.usable(time.time())

    def token(self, token_id: str) -> Token | None:
        """Return the token of an id, whether it may be used or not."""
        return self._accounts.token(token_id)

    def rights(self, user: str) -> Rights:
        """Return what a user may read now, and for whom they count; for the event loop alone."""
        known = self._look()
        found = known.rights.get(user)
        if found is None:
            found = known.rights[user] = self._look_up(user, self._repositories()[1])
        return found

    def may_read(self, user: str, repository: str) -> bool:
        """Whether a user may read a repository of that name, published or not yet."""
        return bool(self._readable(user, (repository,)))

    def _look(self) -> _Known:
        """Return what is known by now; nothing is when anything has changed."""
        # Before what it is the version of: what changes in between is looked up once more.
        version, (generation, _) = self._accounts.version(), self._repositories()
        if (self._known.version, self._known.generation) != (version, generation):
            self._known = _Known(version, generation, self.open)
        return self._known

    def _look_up(self, user: str, names: Collection[str]) -> Rights:
        groups = self._accounts.groups(user) or frozenset()
        readable = self._readable(user, names)
        tenant = hashlib.sha256("\n".join(sorted(readable)).encode()).hexdigest()[:16]
        return Rights(readable, next((team for team in self._teams if team in groups), ""), tenant)

    def _readable(self, user: str, names: Collection[str]) -> frozenset[str]:
        if self._everyone_reads and self._accounts.groups(user) is not None:
            return frozenset(names)
        return self._accounts.readable(user, names)
