"""Times the deltas of a stream, for two readings of the clock each."""

from __future__ import annotations

import time
from collections.abc import Callable

from server.types import Delta


class DeltaTimes:
    """How long one stream took for its tokens, and its reader for handling them.

    Args:
        per_token: Called with the seconds of each token: between the arrivals of two deltas, divided by the tokens of
            the second (1 where the server does not say). The first token's time is none of these.
    """

    def __init__(self, per_token: Callable[[float], None]) -> None:
        self._per_token = per_token
        self._arrived = 0.0
        self._tokens = 0
        self._seconds = 0.0
        self.handling_seconds = 0.0
        """All time between a call of :meth:`arrived` and the next one of :meth:`handled`."""

    @property
    def seconds_per_token(self) -> float:
        """The mean; 0.0 while there are not two tokens."""
        return self._seconds / self._tokens if self._tokens else 0.0

    def arrived(self, delta: Delta) -> None:
        """Note that a delta has come."""
        now = time.perf_counter()
        # An engine without a model says all at once.
        if self._arrived and delta.model and delta.text:
            gap, tokens = now - self._arrived, delta.tokens or 1
            self._seconds += gap
            self._tokens += tokens
            self._per_token(gap / tokens)
        self._arrived = now

    def handled(self) -> None:
        """Note that the reader is done with the delta that came last."""
        self.handling_seconds += time.perf_counter() - self._arrived
