"""How long to wait for the next key before a model is asked, from how fast the model and the user are.

The wait is the shortest of three: the model's usual time to its first token (waiting longer would more than double what
the user waits, and asking at once wastes no more than that), a little more than the user's usual time between two keys
(when no key has come by then, the user has paused), and 300 ms.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from server.config import CompletionConfig

MAX_SECONDS = 0.3
_PAUSE = 1.0
"""A gap as long as this is no part of typing."""
_ONE_KEY = 0.015
"""Changes closer than this come from one key, as with brackets that close themselves."""
_BEYOND_INTERVAL = 1.25
_WEIGHT = 0.2
_MAX_DOCUMENTS = 64


@dataclass(slots=True)
class _Rhythm:
    last: float
    interval: float | None = None


class Debounce:
    """Measures and decides. What is not measured yet counts as ``debounce_ms``; with ``debounce_ms = 0`` nobody waits.

    Args:
        config: Where to start, and whether to adapt.
        clock: Seconds that only grow.
    """

    def __init__(self, config: CompletionConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._start = config.debounce_ms / 1000
        self._adaptive = config.adaptive_debounce
        self._clock = clock
        self._latency: float | None = None
        self._rhythms: OrderedDict[str, _Rhythm] = OrderedDict()

    def note_key(self, document: str) -> None:
        """The user has changed a document."""
        now = self._clock()
        rhythm = self._rhythms.setdefault(document, _Rhythm(now))
        self._rhythms.move_to_end(document)
        gap, rhythm.last = now - rhythm.last, now
        if _ONE_KEY <= gap < _PAUSE:
            rhythm.interval = _average(rhythm.interval, gap)
        if len(self._rhythms) > _MAX_DOCUMENTS:
            self._rhythms.popitem(last=False)

    def note_first_token(self, seconds: float) -> None:
        """A model's first token took so long."""
        self._latency = _average(self._latency, seconds)

    @property
    def latency(self) -> float | None:
        """The usual time to a model's first token, in seconds; ``None`` until there was one."""
        return self._latency

    def seconds(self, document: str) -> float:
        """Return how long to wait now."""
        if not self._adaptive or not self._start:
            return self._start
        rhythm = self._rhythms.get(document)
        latency = self._start if self._latency is None else self._latency
        interval = self._start if rhythm is None or rhythm.interval is None else _BEYOND_INTERVAL * rhythm.interval
        return min(MAX_SECONDS, latency, interval)


def _average(before: float | None, value: float) -> float:
    """Average in which what is old counts less and less."""
    return value if before is None else before + _WEIGHT * (value - before)
