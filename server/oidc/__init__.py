"""Who somebody is, by the word of an OpenID Connect provider: authorization code with PKCE, checked ID tokens."""

from server.oidc.attempt import Attempt, AttemptSeal
from server.oidc.identity import Identity, identify
from server.oidc.provider import Provider

__all__ = ["Attempt", "AttemptSeal", "Identity", "Provider", "identify"]
