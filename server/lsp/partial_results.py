"""Sends partial results without swamping the client: the first at once, then the latest at a bounded rate."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

INTERVAL_SECONDS = 0.012
MAX_WAITING_BYTES = 256 * 1024


class PartialResults:
    """The partial results of one request, each of which replaces or extends the one before it.

    Args:
        send: Sends one value as ``$/progress``.
        merge: Combines a value that was not sent yet with the next one; without it the next one replaces it.
        outdated: Whether nothing may be sent any more.
        waiting_bytes: How much the client has not read yet; while that is too much, values are kept back.
    """

    def __init__(
        self,
        send: Callable[[Any], None],
        *,
        merge: Callable[[Any, Any], Any] | None = None,
        outdated: Callable[[], bool] = lambda: False,
        waiting_bytes: Callable[[], int] = lambda: 0,
    ) -> None:
        self._send = send
        self._merge = merge
        self._outdated = outdated
        self._waiting_bytes = waiting_bytes
        self._pending: Any = None
        self._timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()
        self._next_at = 0.0
        self.sent = 0

    def push(self, value: Any) -> None:
        """Send ``value`` now or a little later; ``None`` is no value."""
        merged = value if self._pending is None or self._merge is None else self._merge(self._pending, value)
        self._pending = merged
        if self._timer is not None:
            return
        now = self._loop.time()
        if now >= self._next_at:
            self.flush()
        else:
            self._timer = self._loop.call_at(self._next_at, self._on_timer)

    def flush(self) -> None:
        """Send what is pending."""
        self._stop_timer()
        if self._pending is None or self._outdated():
            self._pending = None
            return
        self._next_at = self._loop.time() + INTERVAL_SECONDS
        if self._waiting_bytes() > MAX_WAITING_BYTES:
            self._timer = self._loop.call_at(self._next_at, self._on_timer)
            return
        value, self._pending = self._pending, None
        self.sent += 1
        self._send(value)

    def close(self) -> None:
        """Drop what is pending; nothing is sent after this."""
        self._stop_timer()
        self._pending = None

    def _on_timer(self) -> None:
        self._timer = None
        self.flush()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
