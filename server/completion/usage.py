"""Counts the tokens of one request to an engine: generated, and wasted when nobody ever saw their text."""

from __future__ import annotations

from dataclasses import dataclass

from server.completion import metrics


@dataclass(slots=True)
class Usage:
    """Tokens of one request; shared by the request and the finished text that is kept of it."""

    engine: str = ""
    tokens: int = 0
    seen: bool = False
    """Whether its text was part of a whole answer."""
    _wasted: bool = False

    def count(self) -> None:
        """The engine has ended: count what it generated."""
        if self.tokens:
            metrics.GENERATED_TOKENS.labels(self.engine).inc(self.tokens)

    def waste(self, reason: str) -> None:
        """Nobody will see its text any more; counts once, and only if nobody has."""
        if not self.seen and not self._wasted and self.tokens:
            self._wasted = True
            metrics.WASTED_TOKENS.labels(self.engine, reason).inc(self.tokens)
