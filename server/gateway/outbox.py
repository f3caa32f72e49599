"""What waits to be sent over one WebSocket. Writing never waits: a client that does not read is cut off."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import suppress

from aiohttp import WSCloseCode, WSMsgType, web

log = logging.getLogger(__name__)

_CLOSE_SECONDS = 2.0


class Outbox:
    """Sends messages one after the other, without ever keeping the sender waiting.

    Args:
        socket: Prepared.
        transport: Carries it.
        max_bytes: Most that may wait.

    Attributes:
        closed_for: Why the server closed the connection, in one word; empty while it did not.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, max_bytes: int) -> None:
        self.closed_for = ""
        self._socket = socket
        self._transport = transport
        self._max_bytes = max_bytes
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._filled = asyncio.Event()
        self._last = False
        self._sending = asyncio.create_task(self._send(), name="outbox")
        self._closing: asyncio.Task[None] | None = None

    @property
    def closing(self) -> bool:
        """Whether nothing is sent any more."""
        return self._closing is not None

    def write(self, data: bytes) -> None:
        """Send one message, in its turn."""
        if self.closing or self._socket.closed:
            return
        if self.waiting_bytes() + len(data) > self._max_bytes:
            log.warning("a client that does not read was cut off with %d bytes unread", self.waiting_bytes())
            self._queue.clear()
            self.close_soon("unread", WSCloseCode.POLICY_VIOLATION, "the editor does not read what Hearth sends")
            return
        self._queue.append(data)
        self._queued += len(data)
        self._filled.set()

    def waiting_bytes(self) -> int:
        """Return how much the client has not read yet, as far as this machine knows."""
        return self._queued + self._transport.get_write_buffer_size()

    def close_soon(self, word: str, code: WSCloseCode, reason: str) -> None:
        """Send what waits, for a moment, and say why no more will come. Idempotent."""
        if self._closing is None:
            self.closed_for = word
            self._closing = asyncio.create_task(self._close(code, reason), name="closing a session")

    async def closed(self) -> None:
        """Wait until what :meth:`close_soon` began is done."""
        if self._closing is not None:
            await asyncio.wait({self._closing})

    async def finish(self) -> None:
        """Close, unless that was begun, and wait for it."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(WSCloseCode.OK, ""), name="closing a session")
        await self.closed()

    async def _send(self) -> None:
        with suppress(ConnectionError):
            while self._queue or not self._last:
                await self._filled.wait()
                self._filled.clear()
                while self._queue:
                    data = self._queue.popleft()
                    await self._socket.send_frame(data, WSMsgType.TEXT)
                    self._queued -= len(data)

    async def _close(self, code: WSCloseCode, reason: str) -> None:
        self._last = True
        self._filled.set()
        await asyncio.wait({self._sending}, timeout=_CLOSE_SECONDS)
        self._sending.cancel()
        await asyncio.wait({self._sending})
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError):
            self._transport.abort()
