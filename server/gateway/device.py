"""Editors that ask to be signed in: each waits, for minutes, until somebody at a browser lets it in.

This is the device authorization grant (RFC 8628) with this server in both its parts, so that it works whatever proves
who somebody is. What waits is kept in memory: after a restart an editor asks again.
"""

from __future__ import annotations

import enum
import hashlib
import math
import re
import secrets
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from server.accounts import Token
from server.errors import LimitReached
from server.gateway.peers import holder, site

LIFETIME_SECONDS = 600.0
INTERVAL_SECONDS = 5.0
_MOST_WAITING = 1000
_MOST_OF_A_SITE = 20
_MOST_OF_A_HOLDER = 100
_MOST_WRONG_CODES = 10
# No vowel, lest it be a word; none that is taken for another (RFC 8628, section 6.1). 34 bits.
_LETTERS = "BCDFGHJKLMNPQRSTVWXZ"
_CODE_LENGTH = 8
_TOO_SOON = 0.8


class Answer(enum.StrEnum):
    """What became of an editor's wish."""

    PENDING = "authorization-pending"
    TOO_SOON = "slow-down"
    REFUSED = "access-denied"
    EXPIRED = "expired-token"
    ALLOWED = "allowed"


@dataclass(slots=True)
class Waiting:
    """An editor that waits.

    Attributes:
        client: What it calls itself; anybody may say anything here.
        machine: What it calls its machine.
        address: Where it asked from.
        site: What that address counts for.
        holder: What its holder may have all of.
        code: What a person copies from it to the browser.
        until: When it has waited too long, by the clock of the process.
        answer: What was decided.
        token: Of whoever let it in.
    """

    client: str
    machine: str
    address: str
    site: str
    holder: str
    code: str
    until: float
    answer: Answer = Answer.PENDING
    token: Token | None = None
    polled: float = -math.inf


class DeviceSignIns:
    """Brings editors and browsers together.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Found by digests: how long a look takes says nothing of a code.
        self._by_device: dict[bytes, Waiting] = {}
        self._by_code: dict[bytes, Waiting] = {}
        self._wrong: dict[str, tuple[float, int]] = {}

    def begin(self, client: str, machine: str, address: str) -> tuple[str, Waiting]:
        """Let an editor wait; the first value is the secret by which it asks what became of it.

        When there is no room left, the oldest of whoever has most waiting makes some for those who have less, so that
        nobody is kept out by somebody with many networks.

        Raises:
            LimitReached: Too many wait, of this site, of its holder, or at all.
        """
        self._forget_old()
        here, around, waiting = site(address), holder(address), self._by_device.values()
        self._refuse_beyond(_MOST_OF_A_SITE, f"from {here}", [one for one in waiting if one.site == here])
        # Else whoever has a /48 could fill the server from fifty networks of it.
        self._refuse_beyond(_MOST_OF_A_HOLDER, f"from {around}", [one for one in waiting if one.holder == around])
        if len(waiting) >= _MOST_WAITING and not self._made_room(around):
            self._refuse_beyond(_MOST_WAITING, "at this server", waiting)
        secret, code = secrets.token_urlsafe(32), _new_code()
        made = Waiting(client, machine, address, here, around, code, self._clock() + LIFETIME_SECONDS)
        self._by_device[_digest(secret)] = self._by_code[_digest(code)] = made
        return secret, made

    def find(self, user: str, code: str) -> Waiting | None:
        """Return the editor that waits with a code; ``None`` when there is none, or it was answered.

        Raises:
            LimitReached: This user tried too many codes that are none.
        """
        self._forget_old()
        began, wrong = self._wrong.get(user, (self._clock(), 0))
        if wrong >= _MOST_WRONG_CODES:
            raise LimitReached(
                "too many codes were wrong",
                advice="Let the editor ask again, in ten minutes.",
                retry_after=began + LIFETIME_SECONDS - self._clock(),
            )
        found = self._by_code.get(_digest(normalised(code)))
        if found is None or found.answer is not Answer.PENDING:
            self._wrong[user] = (began, wrong + 1)
            return None
        return found

    def decide(self, waiting: Waiting, token: Token | None) -> None:
        """Let an editor in on the strength of a token; ``None`` refuses it."""
        waiting.answer, waiting.token = (Answer.ALLOWED, token) if token is not None else (Answer.REFUSED, None)

    def poll(self, secret: str) -> tuple[Answer, Waiting | None]:
        """Say what became of the editor with this secret, which is told a decision once."""
        self._forget_old()
        key, now = _digest(secret), self._clock()
        waiting = self._by_device.get(key)
        if waiting is None:
            return Answer.EXPIRED, None
        soon = now - waiting.polled < INTERVAL_SECONDS * _TOO_SOON
        waiting.polled = now
        if waiting.answer is Answer.PENDING:
            return (Answer.TOO_SOON if soon else Answer.PENDING), waiting
        del self._by_device[key]
        self._by_code.pop(_digest(waiting.code), None)
        return waiting.answer, waiting

    def _made_room(self, newcomer: str) -> bool:
        """Forget the oldest of the holder that has most waiting, if that is more than the newcomer has."""
        counts = Counter(one.holder for one in self._by_device.values())
        [(largest, most)] = counts.most_common(1)
        if most <= counts[newcomer]:
            return False
        key = next(key for key, one in self._by_device.items() if one.holder == largest)
        self._by_code.pop(_digest(self._by_device.pop(key).code), None)
        return True

    def _refuse_beyond(self, most: int, where: str, waiting: Collection[Waiting]) -> None:
        if len(waiting) >= most:
            wait = max(1.0, min(one.until for one in waiting) - self._clock())
            raise LimitReached(
                f"{most} editors wait to be signed in {where}, and no more may",
                advice=f"Let one in that waits, or try again in {wait:.0f} s.",
                retry_after=wait,
            )

    def _forget_old(self) -> None:
        now = self._clock()
        for waiting in (self._by_device, self._by_code):
            for key in [key for key, one in waiting.items() if one.until <= now]:
                del waiting[key]
        for user in [user for user, (began, _) in self._wrong.items() if began + LIFETIME_SECONDS <= now]:
            del self._wrong[user]


def normalised(code: str) -> str:
    """Return a code as it is kept, however it was typed."""
    letters = re.sub(r"[^A-Z]", "", code.upper())
    return f"{letters[:4]}-{letters[4:]}"


def _new_code() -> str:
    return normalised("".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH)))


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "replace")).digest()
