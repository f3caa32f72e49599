"""``[server.oidc]``: the provider at which a company's people sign in."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from attrs import field, frozen

from indexer.config import check_reference
from server.config.fields import between as _between
from server.config.fields import setting as _setting


def _issuer(_instance: object, _attribute: object, value: str) -> None:
    if value and not is_safe_url(value):
        raise ValueError('must be an address such as "https://sso.example.com/realms/acme"; http is for this machine')


def _scopes(_instance: object, _attribute: object, value: tuple[str, ...]) -> None:
    if "openid" not in value:
        raise ValueError('must hold "openid", without which a provider does not say who somebody is')
    if not all(re.fullmatch(r"[\x21\x23-\x5b\x5d-\x7e]+", scope) for scope in value):
        raise ValueError("must list scopes, each one word")


@frozen
class OidcConfig:
    """Signing in at your company's OpenID Connect provider; off while no issuer is named. It needs `public_url`."""

    issuer: str = _setting("", "Address of the provider, exactly as it names itself.", _issuer)
    client_id: str = _setting("", "The name by which the provider knows this server.")
    client_secret: str = _setting(
        "", "The secret that goes with it: `env:NAME` or `file:/PATH`; empty for a public client.", check_reference
    )
    title: str = _setting("your company's account", "What the page says that people sign in with.")
    scopes: tuple[str, ...] = _setting(
        ("openid", "profile", "email"), "What the provider is asked for; groups often need one more.", _scopes
    )
    user_claim: str = _setting(
        "preferred_username", "Claim that new users are named after; dots lead into nested ones."
    )
    groups_claim: str = _setting("groups", "Claim that lists somebody's groups; dots lead into nested ones.")
    groups: Mapping[str, str] = field(
        factory=dict,
        metadata={
            "help": 'The group here that each of the provider\'s stands for: `"eng-payments" = "payments"`; others '
            "count for nothing."
        },
    )
    default_groups: tuple[str, ...] = _setting(
        (), "Groups here of everybody who can sign in at the provider; who is in none at all is not let in."
    )
    admin_groups: tuple[str, ...] = _setting((), "The provider's groups whose members administrate.")
    allowed_domains: tuple[str, ...] = _setting(
        (), "Domains of mail addresses, verified by the provider, that are let in; empty lets in all."
    )
    hours: float = _setting(12.0, "How long a browser stays signed in, in hours.", _between(0.01, 12.0))
    leeway_seconds: float = _setting(
        60.0, "How far the clocks of the provider and this machine may differ.", _between(0.0, 600.0)
    )
    answer_seconds: float = _setting(
        10.0, "How long the provider may take for its part in one sign-in.", _between(0.1, 25.0)
    )
    ca_file: str = _setting("", "Certificates to trust at the provider besides those of the system (PEM).")

    @property
    def configured(self) -> bool:
        """Whether there is a provider."""
        return bool(self.issuer)


def is_safe_url(url: str) -> bool:
    """Whether an address of a provider is encrypted, or on this machine."""
    parts = urlsplit(url)
    if parts.username is not None or parts.fragment or not parts.hostname:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(parts.hostname))


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
