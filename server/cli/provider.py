"""The provider at which people sign in, as the settings describe it."""

from __future__ import annotations

from server.config import ServerConfig
from server.errors import ConfigError
from server.gateway.pages.provider import CALLBACK
from server.oidc import Provider


def open_provider(config: ServerConfig) -> Provider | None:
    """Return the provider; None when there is none. Nothing is asked of it yet.

    Raises:
        ConfigError: The settings do not say enough, or its certificates cannot be read.
        CredentialMissing: The secret is not where the settings say.
    """
    if not config.oidc.configured:
        return None
    if not config.public_url:
        raise ConfigError(
            "[server.oidc] needs `public_url` in [server]: the provider sends browsers back there",
            advice=f"Set it, and register {CALLBACK} below it with the provider as the redirect URI.",
        )
    return Provider(config.oidc, f"{config.public_url.rstrip('/')}{CALLBACK}")
