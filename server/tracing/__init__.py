"""Traces of single requests, made of the times that are taken for the histograms anyway; off until somebody listens.

No name of a span and no attribute holds text, a path or a user. While nobody listens, a request costs one look at a
variable, and a stage another.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from server.correlation import new_request_id

_NO_SPANS = frozenset({"total", "per_token"})
"""The length of the whole, and what happens hundreds of times."""
_AHEAD = ("prompt", "queue")
"""What engines tell of the time before their first token, with it."""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time, in nanoseconds since the epoch."""

    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Finished:
    """A piece of work that has ended.

    Attributes:
        span: All of it.
        stages: Its parts; they may overlap.
        request: The id of the request that it was done for.
        within: The name of the piece of work of the same request that it is a part of; empty for none.
        attributes: What else there is to say of it.
    """

    span: Span
    stages: tuple[Span, ...]
    request: str
    within: str
    attributes: Mapping[str, str | int]


Listener = Callable[[Finished], None]

_listener: Listener | None = None


def listen(listener: Listener | None) -> None:
    """Tell ``listener``, in the thread in which work ends, of all work that begins from now on; None ends that."""
    global _listener  # noqa: PLW0603 -- one for the process, as metrics are
    _listener = listener


def begin(name: str, request: str = "", within: str = "") -> Trace | None:
    """Begin to trace a piece of work, if anybody listens; the arguments are those of :class:`Finished`."""
    return None if _listener is None else Trace(_listener, name, request or new_request_id(), within)


class Trace:
    """A piece of work under way; made by :func:`begin`."""

    def __init__(self, listener: Listener, name: str, request: str, within: str) -> None:
        self._listener = listener
        self._name = name
        self._request = request
        self._within = within
        self._began = time.time_ns()
        self._noted: dict[str, tuple[int, int]] = {}
        """The beginning and end of each stage."""

    def note(self, stage: str, seconds: float) -> None:
        """A stage that took so many seconds has just ended."""
        if stage not in _NO_SPANS:
            now = time.time_ns()
            self._noted[stage] = (now - round(seconds * 1e9), now)

    def end(self, **attributes: str | int) -> None:
        """The work has ended, and is told of."""
        self._place_what_was_told()
        stages = tuple(Span(name, start, end) for name, (start, end) in self._noted.items())
        began = min((self._began, *(stage.start for stage in stages)))
        span = Span(self._name, began, time.time_ns())
        self._listener(Finished(span, stages, self._request, self._within, attributes))

    def _place_what_was_told(self) -> None:
        """Put what was told with the first token where it was.

        The prompt is written as soon as there is context, and at the latest until the engine is asked; then the
        request waits to be accepted.
        """
        first = self._noted.get("first_token")
        if first is None:
            return
        asked, gathered = first[0], self._noted.get("gather", (0, 0))[1]
        for name in _AHEAD:
            if name in self._noted:
                start, end = self._noted[name]
                length = end - start
                start = max(asked - length, gathered) if name == "prompt" else asked
                self._noted[name] = (start, start + length)
                asked = max(asked, start + length)
