"""What the claims of a provider mean here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.config import OidcConfig
from server.errors import IdentityRefused


@dataclass(frozen=True, slots=True)
class Identity:
    """Somebody whom the provider vouches for.

    Attributes:
        subject: Who they are there, for ever.
        user: What to call them when they are new.
        groups: Their groups here.
        admin: Whether they administrate.
    """

    subject: str
    user: str
    groups: frozenset[str]
    admin: bool


def identify(claims: Mapping[str, Any], config: OidcConfig) -> Identity:
    """Return who somebody is here.

    Raises:
        IdentityRefused: They are in no group that is let in, or in no domain, or have no name.
    """
    theirs = _groups(_claim(claims, config.groups_claim))
    groups = frozenset(config.default_groups) | {config.groups[name] for name in theirs if name in config.groups}
    admin = not theirs.isdisjoint(config.admin_groups)
    if not groups and not admin:
        raise IdentityRefused(
            "you are in no group that may use this server",
            advice="Ask whoever runs it, or whoever keeps the groups at the provider.",
        )
    if config.allowed_domains and _domain(claims) not in {domain.lower() for domain in config.allowed_domains}:
        raise IdentityRefused(
            "your mail address is of no domain that may use this server, or the provider has not verified it",
            advice="Ask whoever runs the server.",
        )
    user = _claim(claims, config.user_claim)
    if not isinstance(user, str) or not user:
        raise IdentityRefused(
            f"the provider does not say what you are called: there is no claim {config.user_claim!r}",
            advice="Whoever runs the server chooses another one: `user_claim` in [server.oidc].",
        )
    return Identity(str(claims["sub"]), user, groups, admin)


def lacks(claims: Mapping[str, Any], config: OidcConfig) -> bool:
    """Whether something is missing that the provider may say elsewhere."""
    wanted = [config.user_claim, config.groups_claim, *(["email"] if config.allowed_domains else [])]
    return any(_claim(claims, name) is None for name in wanted)


def _claim(claims: Mapping[str, Any], name: str) -> Any:
    """Return a claim; names with dots are looked for as they are first, for some providers use addresses."""
    if name in claims:
        return claims[name]
    value: Any = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _groups(value: Any) -> frozenset[str]:
    if isinstance(value, str):
        return frozenset({value})
    return frozenset(item for item in value if isinstance(item, str)) if isinstance(value, list) else frozenset()


def _domain(claims: Mapping[str, Any]) -> str:
    email = claims.get("email")
    if claims.get("email_verified") is not True or not isinstance(email, str):
        return ""
    return email.rpartition("@")[2].lower()
