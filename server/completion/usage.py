"""Counts the tokens of one request to an engine: generated, and wasted when nobody ever saw their text."""

from __future__ import annotations

from dataclasses import dataclass, field

from server.completion import metrics
from server.engine.metrics import caller_labels, model_label
from server.types import Caller

_KEEP = 0.97


@dataclass(slots=True)
class Tally:
    """The tokens of all requests of late; what is older counts less and less."""

    generated: float = 0.0
    wasted: float = 0.0

    @property
    def share(self) -> float:
        """The part of the tokens that was wasted."""
        return self.wasted / self.generated if self.generated else 0.0


@dataclass(slots=True)
class Usage:
    """Tokens of one request; shared by the request and the finished text that is kept of it."""

    engine: str = ""
    tokens: int = 0
    seen: bool = False
    """Whether its text was part of a whole answer."""
    model: str = ""
    caller: Caller = field(default_factory=Caller)
    speculative: bool = False
    """Whether nobody has asked for it yet."""
    tally: Tally = field(default_factory=Tally)
    _wasted: bool = False

    def count(self) -> None:
        """The engine has ended: count what it generated."""
        if self.tokens:
            metrics.GENERATED_TOKENS.labels(*self._labels).inc(self.tokens)
            self.tally.generated = _KEEP * self.tally.generated + self.tokens
            self.tally.wasted *= _KEEP

    def waste(self, reason: str) -> None:
        """Nobody will see its text any more; counts once, and only if nobody has."""
        if not self.seen and not self._wasted and self.tokens:
            self._wasted = True
            reason = "speculative" if self.speculative else reason
            metrics.WASTED_TOKENS.labels(*self._labels, reason).inc(self.tokens)
            self.tally.wasted += self.tokens

    @property
    def _labels(self) -> tuple[str, ...]:
        return self.engine, model_label(self.model or self.engine), *caller_labels(self.caller)
