"""``/lsp``: one language server for each WebSocket. What it is made of is passed in; here is only how it is carried."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from server.principal import Principal

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0
_CLOSE_SECONDS = 2.0


class Session(Protocol):
    """A language server that is fed one message after the other."""

    @property
    def ended(self) -> bool:
        """Whether the client said that it leaves."""

    async def receive(self, body: bytes | str) -> None:
        """Handle one message. Never raises for what a client sends."""

    async def close(self) -> None:
        """End the session's work. Idempotent."""


class Outbox:
    """What waits to be sent over one WebSocket. Writing never waits: a client that does not read is cut off.

    Args:
        socket: Prepared.
        transport: Carries it.
        max_bytes: Most that may wait.
    """

    def __init__(self, socket: web.WebSocketResponse, transport: asyncio.Transport, max_bytes: int) -> None:
        self._socket = socket
        self._transport = transport
        self._max_bytes = max_bytes
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._filled = asyncio.Event()
        self._last = False
        self._sending = asyncio.create_task(self._send(), name="outbox")
        self._closing: asyncio.Task[None] | None = None

    def write(self, data: bytes) -> None:
        """Send one message, in its turn."""
        if self._closing is not None or self._socket.closed:
            return
        if self.waiting_bytes() + len(data) > self._max_bytes:
            log.warning("a client that does not read was cut off with %d bytes unread", self.waiting_bytes())
            self.close_soon(WSCloseCode.POLICY_VIOLATION, "the editor does not read what Hearth sends")
            return
        self._queue.append(data)
        self._queued += len(data)
        self._filled.set()

    def waiting_bytes(self) -> int:
        """Return how much the client has not read yet, as far as this machine knows."""
        return self._queued + self._transport.get_write_buffer_size()

    def close_soon(self, code: WSCloseCode, reason: str) -> None:
        """Drop what waits and say why no more will come. Idempotent."""
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(code, reason), name="closing a session")

    async def finish(self) -> None:
        """Send what waits, for a moment, and end."""
        if self._closing is not None:
            await self._closing
            return
        self._last = True
        self._filled.set()
        await asyncio.wait({self._sending}, timeout=_CLOSE_SECONDS)
        await self._close(WSCloseCode.OK, "")

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
        self._sending.cancel()
        await asyncio.wait({self._sending})
        self._queue.clear()
        try:
            async with asyncio.timeout(_CLOSE_SECONDS):
                await self._socket.close(code=code, message=reason.encode())
        except (TimeoutError, ConnectionError):
            self._transport.abort()


OpenSession = Callable[[Principal, Outbox], Session]
"""Make a language server for one connection, whose messages go to the outbox."""


class Sessions:
    """The connections of all editors.

    Args:
        open_session: Makes what answers.
        max_message_bytes: Most that one message may have.
        max_unread_bytes: Most that may wait for a client that does not read.
    """

    def __init__(self, open_session: OpenSession, *, max_message_bytes: int, max_unread_bytes: int) -> None:
        self._open = open_session
        self._max_message_bytes = max_message_bytes
        self._max_unread_bytes = max_unread_bytes
        self._outboxes: set[Outbox] = set()

    def __len__(self) -> int:
        return len(self._outboxes)

    async def serve(self, request: web.Request, principal: Principal) -> web.WebSocketResponse:
        """Serve one editor until it leaves."""
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS, max_msg_size=self._max_message_bytes, compress=False, decode_text=False
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        outbox = Outbox(socket, transport, self._max_unread_bytes)
        self._outboxes.add(outbox)
        session = self._open(principal, outbox)
        try:
            async for message in socket:
                if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                    await session.receive(message.data)
                if session.ended:
                    break
        finally:
            self._outboxes.discard(outbox)
            await session.close()
            await outbox.finish()
        return socket

    def close_all(self, reason: str) -> None:
        """Tell every editor to come back later."""
        for outbox in list(self._outboxes):
            outbox.close_soon(WSCloseCode.SERVICE_RESTART, reason)
