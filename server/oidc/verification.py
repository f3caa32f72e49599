"""Checking an ID token (OpenID Connect Core 1.0, section 3.1.3.7)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jwt

from server.errors import IdentityRefused

# Signatures that the provider alone can make: with a secret in common, whoever knows it could sign, too.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_KINDS = {"RS": "RSA", "PS": "RSA", "ES": "EC", "Ed": "OKP"}
_LEAST_RSA_BITS = 2048
_MOST_SUBJECT = 255


@dataclass(frozen=True, slots=True)
class Expected:
    """What an ID token has to say.

    Attributes:
        issuer: Whose it is.
        client_id: Whom it is for.
        nonce: The sign-in that it is for.
        algorithms: How it may be signed.
        leeway: By how many seconds clocks may differ.
    """

    issuer: str
    client_id: str
    nonce: str
    algorithms: Collection[str]
    leeway: float


def key_id(token: str) -> str:
    """Return which key a token says that it is signed with; empty when it does not say.

    Raises:
        IdentityRefused: It is no token.
    """
    return str(_header(token).get("kid", ""))


def verify(token: str, keys: Sequence[Mapping[str, Any]], expected: Expected, access_token: str) -> dict[str, Any]:
    """Return the claims of an ID token.

    Args:
        token: The token.
        keys: The provider's keys, as it publishes them (JWK).
        expected: What it has to say.
        access_token: What came with it.

    Raises:
        IdentityRefused: It does not prove what it says; the message says which check it failed.
    """
    algorithm = str(_header(token).get("alg", ""))
    if algorithm not in expected.algorithms or algorithm not in ALGORITHMS:
        raise _invalid(f"it is signed by {algorithm[:20]!r}, which is not taken")
    claims = _decode(token, _fitting(keys, algorithm, key_id(token)), algorithm, expected)
    subject = claims["sub"]
    if not isinstance(subject, str) or not 0 < len(subject) <= _MOST_SUBJECT or not subject.isprintable():
        raise _invalid("it names nobody")
    nonce = str(claims.get("nonce", "")).encode("utf-8", "replace")
    if not hmac.compare_digest(nonce, expected.nonce.encode()):
        raise _invalid("it is for another sign-in (nonce)")
    several = isinstance(claims["aud"], list) and len(claims["aud"]) > 1
    if (several or "azp" in claims) and claims.get("azp") != expected.client_id:
        raise _invalid("it is for another program (azp)")
    if "at_hash" in claims and claims["at_hash"] != _left_half(access_token, algorithm):
        raise _invalid("it is not for the access token that came with it (at_hash)")
    return claims


def _header(token: str) -> dict[str, Any]:
    try:
        return jwt.get_unverified_header(token)
    except jwt.InvalidTokenError as error:
        raise _invalid("it cannot be read") from error


def _decode(token: str, keys: Sequence[jwt.PyJWK], algorithm: str, expected: Expected) -> dict[str, Any]:
    for key in keys:
        try:
            return jwt.decode(
                token,
                key,
                algorithms=[algorithm],
                audience=expected.client_id,
                issuer=expected.issuer,
                leeway=expected.leeway,
                options={"require": ["iss", "sub", "aud", "exp", "iat"]},
            )
        except jwt.InvalidSignatureError:
            continue
        except jwt.InvalidTokenError as error:
            raise _invalid(_words(error)) from error
    raise _invalid("no key of the provider made its signature")


def _fitting(keys: Sequence[Mapping[str, Any]], algorithm: str, wanted: str) -> list[jwt.PyJWK]:
    """Return the keys that may have signed; what is no usable key, such as one of another curve, is passed over."""
    found = []
    for described in keys:
        if described.get("kty") != _KINDS[algorithm[:2]] or described.get("use", "sig") != "sig":
            continue
        if described.get("alg", algorithm) != algorithm or (wanted and described.get("kid", wanted) != wanted):
            continue
        try:
            key = jwt.PyJWK(dict(described), algorithm)
        except jwt.PyJWTError:
            continue
        if getattr(key.key, "key_size", _LEAST_RSA_BITS) >= _LEAST_RSA_BITS or described["kty"] != "RSA":
            found.append(key)
    return found


def _words(error: jwt.InvalidTokenError) -> str:
    kinds: dict[type[jwt.InvalidTokenError], str] = {
        jwt.ExpiredSignatureError: "it has expired, or a clock is wrong",
        jwt.ImmatureSignatureError: "it is of the future, or a clock is wrong",
        jwt.InvalidIssuedAtError: "it does not say when it was made",
        jwt.InvalidAudienceError: "it is for another program (aud)",
        jwt.InvalidIssuerError: "it is another provider's (iss)",
    }
    if isinstance(error, jwt.MissingRequiredClaimError):
        return f"it lacks the claim {error.claim}"
    return next((words for kind, words in kinds.items() if isinstance(error, kind)), "it cannot be read")


def _left_half(access_token: str, algorithm: str) -> str:
    """Return what ``at_hash`` of an access token is."""
    bits = re.search(r"\d+$", algorithm)
    made = hashlib.new(f"sha{bits[0]}" if bits else "sha512", access_token.encode("utf-8", "replace")).digest()
    return base64.urlsafe_b64encode(made[: len(made) // 2]).decode().rstrip("=")


def _invalid(reason: str) -> IdentityRefused:
    return IdentityRefused(
        f"what the provider said of you cannot be believed: {reason}",
        advice="Try again. If that does not help, tell whoever runs the server.",
    )
