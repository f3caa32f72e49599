"""Who is served, and what they may ask for and read. Every answer is made for one principal."""

from __future__ import annotations

import enum
from typing import Protocol

from server.types import Caller


class Work(enum.StrEnum):
    """What can be asked for; each is permitted and limited by itself."""

    COMPLETE = "complete"
    EXPLAIN = "explain"
    SEARCH = "search"
    HOVER = "hover"


class Principal(Protocol):
    """Somebody who is served. What it says may differ from one moment to the next, so ask it at each request."""

    @property
    def caller(self) -> Caller:
        """On whose behalf engines are asked."""

    @property
    def readable(self) -> frozenset[str] | None:
        """Names of the repositories that may be read now; ``None`` means every one."""

    def permit(self, work: Work) -> None:
        """Let one piece of work begin, and count it.

        Raises:
            NotPermitted: It is not theirs to ask for.
            LimitReached: They asked for too many of its kind lately.
        """


class Owner:
    """The developer whose machine Hearth runs on: reads all of their own index, and is never limited."""

    @property
    def caller(self) -> Caller:
        """Nobody else is served, so nothing needs telling apart."""
        return Caller()

    @property
    def readable(self) -> frozenset[str] | None:
        """Everything."""
        return None

    def permit(self, work: Work) -> None:
        """Let it begin."""
