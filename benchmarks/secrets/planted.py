"""Secrets of every rule, made anew in each run, so that the repository itself has none."""

from __future__ import annotations

import base64
import random
import string
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from indexer.secrets import find_secrets

_LETTERS = string.ascii_letters
_BASE62 = _LETTERS + string.digits
_HEX = "0123456789abcdef"
_BASE32 = string.ascii_uppercase + "234567"


@dataclass(frozen=True, slots=True)
class Planted:
    """A secret of one rule; ``line`` is a line, or several, of any program or settings that has it."""

    rule: str
    secret: str
    line: str


def plant(seed: int) -> list[Planted]:
    """Make one secret for each rule; the same for the same ``seed``."""
    return [make_planted(rule, seed) for rule in MAKERS]


def make_planted(rule: str, seed: int) -> Planted:
    """Make a secret of one rule, which it finds: a random text may by chance have a word that no secret has."""
    chance = random.Random(f"{rule} {seed}")
    while True:
        secret, template = MAKERS[rule](chance)
        planted = Planted(rule, secret, template.replace("SECRET", secret))
        if find_secrets(planted.line):
            return planted


def _text(chance: random.Random, size: int, alphabet: str = _BASE62) -> str:
    return "".join(chance.choice(alphabet) for _ in range(size))


def _assignment(prefix: str, size: int, alphabet: str = _BASE62, suffix: str = "") -> Callable[[random.Random], _Made]:
    return lambda chance: (prefix + _text(chance, size, alphabet) + suffix, 'value = "SECRET"')


def _private_key(chance: random.Random) -> _Made:
    body = base64.b64encode(chance.randbytes(900)).decode()
    lines = "\n".join(body[start : start + 64] for start in range(0, len(body), 64))
    return lines, f"-----BEGIN {'PRIVATE'} KEY-----\nSECRET\n-----END {'PRIVATE'} KEY-----"


def _jwt(chance: random.Random) -> _Made:
    parts = ['{"alg":"HS256"}', f'{{"sub":"{_text(chance, 20)}"}}']
    encoded = [base64.urlsafe_b64encode(part.encode()).decode().rstrip("=") for part in parts]
    return ".".join([*encoded, _text(chance, 43)]), 'value = "SECRET"'


_Made = tuple[str, str]
MAKERS: Mapping[str, Callable[[random.Random], _Made]] = {
    "private-key": _private_key,
    "putty-private-key": lambda chance: (_text(chance, 64), "Private-Lines: 1\nSECRET"),
    "age-key": _assignment("AGE-SECRET-" + "KEY-1", 58, "023456789ACDEFGHJKLMNPQRSTUVWXYZ"),
    "aws-access-key": _assignment("AK" + "IA", 16, _BASE32),
    "aws-secret-key": lambda chance: (_text(chance, 40), "aws_secret_access_key = SECRET"),
    "google-api-key": _assignment("AI" + "za", 35),
    "google-oauth": _assignment("GOCSPX" + "-", 28),
    "azure-account-key": lambda chance: (
        _text(chance, 86) + "==",
        '"DefaultEndpointsProtocol=https;AccountKey=SECRET"',
    ),
    "azure-client-secret": lambda chance: (f"{_text(chance, 3)}8Q~{_text(chance, 34)}", 'value = "SECRET"'),
    "github-token": _assignment("gh" + "p_", 36),
    "gitlab-token": _assignment("gl" + "pat-", 20),
    "slack-token": lambda chance: (
        f"xox{'b'}-{_text(chance, 12, string.digits)}-{_text(chance, 24)}",
        'value = "SECRET"',
    ),
    "slack-webhook": lambda chance: (
        f"T{_text(chance, 8)}/B{_text(chance, 10)}/{_text(chance, 24)}",
        'hook = "https://hooks.slack' + '.com/services/SECRET"',
    ),
    "stripe-key": _assignment("sk_" + "live_", 24),
    "npm-token": _assignment("npm" + "_", 36),
    "pypi-token": _assignment("pypi-" + "AgE", 120),
    "model-service-key": _assignment("hf" + "_", 34, _LETTERS),
    "service-token": lambda chance: (f"SG.{_text(chance, 22)}.{_text(chance, 43)}", 'value = "SECRET"'),
    "jwt": _jwt,
    "url-password": lambda chance: (_text(chance, 14), 'url = "postgresql://shop:SECRET@db.internal/orders"'),
    "assigned-secret": lambda chance: (_text(chance, 24), 'db_password = "SECRET"'),
    "configured-secret": lambda chance: (_text(chance, 24), "DB_PASSWORD=SECRET"),
}
