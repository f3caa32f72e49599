"""A circuit breaker: after some failures in a row an engine is left alone for a while, then tried with care.

The three states are those of M. Nygard, "Release It!": closed lets everything through, open nothing, half-open one
request at a time, whose outcome decides.
"""

from __future__ import annotations

import enum
import time
from collections.abc import Callable


class BreakerState(enum.StrEnum):
    """What a breaker lets through."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """Counts failures in a row and decides who may pass.

    Every ``True`` of :meth:`allows` is to be followed by exactly one of :meth:`succeeded`, :meth:`failed` and
    :meth:`released`.

    Args:
        failures: How many failures in a row open it.
        retry_seconds: How long it then stays open at first; doubled with every failed trial.
        retry_max_seconds: Most that this grows to.
        clock: Monotonic seconds.
    """

    def __init__(
        self,
        *,
        failures: int,
        retry_seconds: float,
        retry_max_seconds: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._threshold = failures
        self._retry = retry_seconds
        self._retry_max = max(retry_seconds, retry_max_seconds)
        self._clock = clock
        self._state = BreakerState.CLOSED
        self._failures_in_a_row = 0
        self._trials_failed = 0
        self._retry_at = 0.0
        self._trial_running = False

    @property
    def state(self) -> BreakerState:
        """The state now; an open breaker becomes half-open as time passes."""
        if self._state is BreakerState.OPEN and self._clock() >= self._retry_at:
            self._state = BreakerState.HALF_OPEN
            self._trial_running = False
        return self._state

    @property
    def retry_in(self) -> float:
        """Seconds until an open breaker becomes half-open; 0.0 in the other states."""
        return max(0.0, self._retry_at - self._clock()) if self.state is BreakerState.OPEN else 0.0

    def allows(self) -> bool:
        """Say whether a request may pass now."""
        state = self.state
        if state is BreakerState.HALF_OPEN and not self._trial_running:
            self._trial_running = True
            return True
        return state is BreakerState.CLOSED

    def succeeded(self) -> None:
        """Note that the request was answered: everything may pass again."""
        self._state = BreakerState.CLOSED
        self._failures_in_a_row = 0
        self._trials_failed = 0
        self._trial_running = False

    def failed(self, retry_after: float = 0.0) -> None:
        """Note that the request failed. ``retry_after`` seconds, when the engine asked for them, are respected."""
        was_trial = self.state is BreakerState.HALF_OPEN
        self._failures_in_a_row += 1
        self._trial_running = False
        if was_trial:
            self._trials_failed += 1
        if self._state is BreakerState.OPEN:
            # A request that had passed before it opened; what it says is known already.
            return
        if was_trial or retry_after > 0 or self._failures_in_a_row >= self._threshold:
            self._state = BreakerState.OPEN
            pause = min(self._retry_max, self._retry * 2 ** min(self._trials_failed, 30))
            self._retry_at = self._clock() + max(pause, min(retry_after, self._retry_max))

    def trip(self) -> None:
        """Open at once, whatever was counted: something else found out that the engine is down."""
        if self.state is BreakerState.CLOSED:
            self._failures_in_a_row = self._threshold - 1
        if self._state is not BreakerState.OPEN:
            self.failed()

    def try_now(self) -> None:
        """Let an open breaker's trial happen now instead of later: something else found the engine well."""
        if self._state is BreakerState.OPEN:
            self._retry_at = self._clock()

    def released(self) -> None:
        """Note that the request ended without telling anything about the engine (it was cancelled)."""
        self._trial_running = False
