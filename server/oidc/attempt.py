"""One browser on its way to the provider and back.

What has to be remembered meanwhile is held by the browser itself, in a sealed cookie: so that nobody can fill this
server's memory by beginning, and what comes back is believed from the browser that began.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from dataclasses import dataclass

ATTEMPT_SECONDS = 600.0
_SEED_BYTES = 32


@dataclass(frozen=True, slots=True)
class Attempt:
    """What is known of a sign-in that has begun.

    Attributes:
        state: Comes back with the browser; ties the answer to the one who asked.
        nonce: Comes back in the ID token; ties that to this sign-in.
        verifier: Proves to the provider that whoever fetches the tokens is who began (PKCE, RFC 7636).
        to: The page that it leads to.
    """

    state: str
    nonce: str
    verifier: str
    to: str

    @property
    def challenge(self) -> str:
        """What the provider is told of the verifier beforehand."""
        return _text(hashlib.sha256(self.verifier.encode()).digest())


class AttemptSeal:
    """Makes attempts, and knows its own again. Sign-ins on their way do not outlive the process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def begin(self, to: str, now: float) -> tuple[str, Attempt]:
        """Return a new attempt, with what the browser holds meanwhile."""
        body = f"{int(now + ATTEMPT_SECONDS)}.{secrets.token_urlsafe(_SEED_BYTES)}.{_text(to.encode())}"
        return f"{body}.{self._derive('seal', body)}", self._attempt(body, to)

    def open(self, held: str, now: float) -> Attempt | None:
        """Return the attempt that a browser holds; ``None`` when it is none of ours, or too old."""
        body, _, seal = held.rpartition(".")
        if not hmac.compare_digest(seal.encode("utf-8", "replace"), self._derive("seal", body).encode()):
            return None
        expires, _, to = body.split(".")
        return self._attempt(body, base64.urlsafe_b64decode(to + "==").decode()) if now < int(expires) else None

    def _attempt(self, body: str, to: str) -> Attempt:
        state, nonce, verifier = (self._derive(purpose, body) for purpose in ("state", "nonce", "verifier"))
        return Attempt(state, nonce, verifier, to)

    def _derive(self, purpose: str, body: str) -> str:
        return _text(hmac.new(self._key, f"{purpose} {body}".encode("utf-8", "replace"), hashlib.sha256).digest())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
