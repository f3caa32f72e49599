"""Tokens: 256 random bits behind a prefix that scanners for leaked secrets can look for.

``hearth_`` is followed by 52 characters of the secret and 7 of a checksum over it, so that a mistyped or shortened one
is told apart from one that was never given out. Only a digest is ever stored: 256 random bits cannot be guessed from
it.
"""

from __future__ import annotations

import base64
import enum
import hashlib
import re
import secrets
import zlib

PREFIX = "hearth_"
_SECRET_BYTES = 32
_SECRET_LENGTH = 52
_FORM = re.compile(rf"{PREFIX}[a-z2-7]{{59}}")


class TokenScope(enum.StrEnum):
    """What a token may be used for."""

    COMPLETE = "complete"
    EXPLAIN = "explain"
    SEARCH = "search"
    HOOKS = "hooks"
    METRICS = "metrics"
    ADMIN = "admin"


class TokenKind(enum.StrEnum):
    """What a token came from."""

    MADE = "made"
    """An administrator made it for somebody."""
    BROWSER = "browser"
    """A provider said who sits at a browser; its secret was shown to nobody."""
    EDITOR = "editor"
    """Somebody who was signed in let an editor in."""


EDITOR_SCOPES = (TokenScope.COMPLETE, TokenScope.EXPLAIN, TokenScope.SEARCH)
"""What an editor needs."""


def new_secret() -> str:
    """Make a token."""
    secret = _base32(secrets.token_bytes(_SECRET_BYTES))
    return PREFIX + secret + _checksum(secret)


def is_well_formed(text: str) -> bool:
    """Whether a text has the form of a token, checksum included. Says nothing of whether it was ever given out."""
    if not _FORM.fullmatch(text):
        return False
    body = text.removeprefix(PREFIX)
    return _checksum(body[:_SECRET_LENGTH]) == body[_SECRET_LENGTH:]


def digest(secret: str) -> bytes:
    """Return what is stored of a token: 32 bytes."""
    return hashlib.sha256(secret.encode()).digest()


def _checksum(secret: str) -> str:
    return _base32(zlib.crc32(secret.encode()).to_bytes(4, "big"))


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()
