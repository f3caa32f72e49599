"""The times that figures are asked for, and what they are split by."""

from __future__ import annotations

import enum
import time
from dataclasses import dataclass

from server.history.store import DAY, HOUR, MINUTE, Period, begin


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
    """A span that ends now, in steps that begin where UTC's hours and days do.

    Attributes:
        span: How far back it goes; to the beginning of an hour, if it is a day or longer.
        step: Seconds of one step.
        moments: When each step begins, in seconds since the epoch; the last one is under way.
    """

    span: Span
    step: int
    moments: tuple[int, ...]

    @classmethod
    def of(cls, span: Span, step: int, now: float | None = None) -> Window:
        """Return the span up to ``now``, in seconds since the epoch; None means the clock's time."""
        at = time.time() if now is None else now
        unit = step if span is Span.HOUR else max(step, HOUR)
        since = begin(at, unit) - _SECONDS[span] + unit
        return cls(span, step, tuple(range(since, begin(at, step) + 1, step)))

    @property
    def steps(self) -> Period:
        """All of it, step by step."""
        return Period(self.since, self.until, self.step, MINUTE if self.step % HOUR else HOUR)

    @property
    def whole(self) -> Period:
        """All of it, as one step."""
        width = MINUTE if self.span is Span.HOUR else HOUR
        return Period(self.since, self.until, self.until - self.since, width)

    @property
    def since(self) -> int:
        """When it begins, in seconds since the epoch."""
        return self.moments[0]

    @property
    def until(self) -> int:
        """When its last step ends."""
        return self.moments[-1] + self.step


_SECONDS = {Span.HOUR: HOUR, Span.DAY: DAY, Span.WEEK: 7 * DAY, Span.MONTH: 30 * DAY}
