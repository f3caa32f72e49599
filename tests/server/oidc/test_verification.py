"""ID tokens and sign-ins on their way, without a provider: kinds of keys, and what is held by a browser."""

from __future__ import annotations

import base64
import hmac
import json
import time
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from server.errors import IdentityRefused
from server.oidc.attempt import ATTEMPT_SECONDS, AttemptSeal
from server.oidc.verification import ALGORITHMS, Expected, key_id, verify

ISSUER, CLIENT, NONCE = "https://sso.example.com", "hearth", "a nonce"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EXPECTED = Expected(ISSUER, CLIENT, NONCE, ALGORITHMS, 60.0)


def claims(**changes: Any) -> dict[str, Any]:
    now = int(time.time())
    return {"iss": ISSUER, "aud": CLIENT, "sub": "17", "exp": now + 60, "iat": now, "nonce": NONCE, **changes}


def encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def published(key: Any, **more: str) -> dict[str, Any]:
    kind: dict[type, Any] = {
        rsa.RSAPublicKey: jwt.algorithms.RSAAlgorithm,
        ec.EllipticCurvePublicKey: jwt.algorithms.ECAlgorithm,
        ed25519.Ed25519PublicKey: jwt.algorithms.OKPAlgorithm,
    }
    [algorithm] = [algorithm for public, algorithm in kind.items() if isinstance(key.public_key(), public)]
    found: dict[str, Any] = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {**found, **more}


@pytest.mark.parametrize(
    ("algorithm", "key"),
    [
        ("RS256", RSA),
        ("RS512", RSA),
        ("PS384", RSA),
        ("ES256", ec.generate_private_key(ec.SECP256R1())),
        ("ES384", ec.generate_private_key(ec.SECP384R1())),
        ("EdDSA", ed25519.Ed25519PrivateKey.generate()),
    ],
)
def test_every_signature_that_a_provider_alone_can_make_is_taken(algorithm: str, key: Any) -> None:
    token = jwt.encode(claims(), key, algorithm)
    others = [published(RSA, use="enc"), {"kty": "EC", "crv": "none"}, {"kty": "oct", "k": "AAAA"}, {}]
    assert verify(token, [*others, published(key)], EXPECTED, "")["sub"] == "17"
    with pytest.raises(IdentityRefused, match="no key of the provider"):
        verify(token, others, EXPECTED, "")
    with pytest.raises(IdentityRefused, match="not taken"):
        verify(token, [published(key)], Expected(ISSUER, CLIENT, NONCE, ["ES512"], 60.0), "")


def test_the_key_that_a_token_names_is_the_one_that_counts() -> None:
    token = jwt.encode(claims(), RSA, "RS256", {"kid": "old"})
    assert key_id(token) == "old"
    assert verify(token, [published(RSA, kid="old", alg="RS256")], EXPECTED, "")
    for described in (published(RSA, kid="new"), published(RSA, kid="old", alg="RS512")):
        with pytest.raises(IdentityRefused, match="no key of the provider"):
            verify(token, [described], EXPECTED, "")


def test_a_public_key_is_never_taken_for_a_secret_in_common() -> None:
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    # Made by hand: the library does not sign with such a key.
    signed = ".".join(encoded(json.dumps(part).encode()) for part in ({"alg": "HS256"}, claims()))
    token = f"{signed}.{encoded(hmac.digest(public, signed.encode(), 'sha256'))}"
    with pytest.raises(IdentityRefused, match="HS256"):
        verify(token, [published(RSA)], EXPECTED, "")


def test_a_key_that_can_be_broken_signs_nothing() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode(claims(), weak, "RS256")
    with pytest.raises(IdentityRefused, match="no key of the provider"):
        verify(token, [published(weak)], EXPECTED, "")


def test_the_access_token_belongs_to_the_id_token() -> None:
    # The value is that of OpenID Connect Core 1.0, appendix A.3.
    token = jwt.encode(claims(at_hash="77QmUPtjPfzWtF2AnpK9RQ"), RSA, "RS256")
    assert verify(token, [published(RSA)], EXPECTED, "jHkWEdUXMU1BwAsC4vtUsZwnNvTIxEl0z9K3vx5KF0Y")
    with pytest.raises(IdentityRefused, match="at_hash"):
        verify(token, [published(RSA)], EXPECTED, "another")


def test_an_attempt_is_known_again_for_minutes_and_by_the_process_that_made_it() -> None:
    seal = AttemptSeal()
    held, attempt = seal.begin("/device?code=BCDF-GHJK", 1000.0)
    assert seal.open(held, 1000.0 + ATTEMPT_SECONDS - 1) == attempt
    assert attempt.to == "/device?code=BCDF-GHJK"
    assert len({attempt.state, attempt.nonce, attempt.verifier, attempt.challenge}) == 4
    assert seal.open(held, 1000.0 + ATTEMPT_SECONDS) is None
    assert AttemptSeal().open(held, 1000.0) is None
    assert seal.begin("/", 1000.0)[1].state != seal.begin("/", 1000.0)[1].state
    # What the browser holds tells nobody what was sent to the provider.
    assert attempt.verifier not in held


@given(st.text())
def test_nothing_that_a_browser_makes_up_is_an_attempt(held: str) -> None:
    seal = AttemptSeal()
    assert seal.open(held, 0.0) is None
    assert seal.open(f"9999999999.{held}.Lw.x", 0.0) is None
