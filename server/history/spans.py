"""The times that figures are asked for, and what they are split by."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from server.history.store import DAY, HOUR, MINUTE, begin


class Span(enum.StrEnum):
    """How far back to look."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


class Split(enum.StrEnum):
    """What figures are told apart by."""

    NOTHING = "nothing"
    MODEL = "model"
    EDITOR = "editor"
    TEAM = "team"


@dataclass(frozen=True, slots=True)
class Window:
    """A span that ends now, in steps.

    Attributes:
        span: How far back it goes.
        step: Seconds of one step.
        width: Of what is read for it: ``MINUTE`` or ``HOUR``.
        moments: When each step begins, in seconds since the epoch; the last one is under way.
    """

    span: Span
    step: int
    width: int
    moments: tuple[int, ...]

    @classmethod
    def of(cls, span: Span, step: int, now: float | None = None) -> Window:
        """Return the span up to now in steps of ``step`` seconds, which begin where UTC's hours and days do."""
        last = begin(time.time() if now is None else now, step)
        steps = _SECONDS[span] // step
        width = MINUTE if step % HOUR else HOUR
        return cls(span, step, width, tuple(last - step * back for back in reversed(range(steps))))

    @property
    def since(self) -> int:
        """When it begins, in seconds since the epoch."""
        return self.moments[0]

    @property
    def until(self) -> int:
        """When its last step ends."""
        return self.moments[-1] + self.step

    def step_of(self, at: int) -> int:
        """Return the number of the step that a moment is in."""
        return (at - self.since) // self.step


_SECONDS = {Span.HOUR: HOUR, Span.DAY: DAY, Span.WEEK: 7 * DAY, Span.MONTH: 30 * DAY}
