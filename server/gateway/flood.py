"""Keeps what anybody can cause at will from filling a log: so many entries a minute, and the number of the others."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.web import RequestPayloadError

_MINUTE = 60.0
_MOST_A_MINUTE = 60


class PerMinute:
    """Lets so many a minute through. Several threads may use one object.

    Args:
        clock: Seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._minute = 0
        self._seen = 0

    def take(self) -> tuple[bool, int]:
        """Return whether one more is let through, and how many were not in the minute that this one is the first after.

        The second value is 0 for every other one.
        """
        with self._lock:
            minute, left_out = int(self._clock() // _MINUTE), 0
            if minute != self._minute:
                left_out = max(0, self._seen - _MOST_A_MINUTE)
                self._minute, self._seen = minute, 0
            self._seen += 1
            return self._seen <= _MOST_A_MINUTE, left_out


class MalformedRequests(logging.Filter):
    """Makes one line of what the HTTP server says of a request that is none, and leaves out most of a flood.

    Nothing of the request is in the line: what cannot be read may hold a token all the same.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._bound = PerMinute(clock)

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record is written."""
        error = record.exc_info[1] if record.exc_info else None
        if not isinstance(error, HttpProcessingError | RequestPayloadError):
            return True
        through, left_out = self._bound.take()
        others = f"; {left_out} more were not logged in the minute before" if left_out else ""
        where = f" from {record.args[0]}" if isinstance(record.args, tuple) and record.args else ""
        record.levelno, record.levelname = logging.WARNING, logging.getLevelName(logging.WARNING)
        record.msg, record.args = "a request%s cannot be read: %s%s", (where, type(error).__name__, others)
        record.exc_info = record.exc_text = None
        return through
