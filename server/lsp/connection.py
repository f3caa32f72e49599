"""One client's messages in and out, whatever carries them: standard streams, a WebSocket."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

from server.lsp.protocol import Outlet
from server.lsp.session import HearthLanguageServer

log = logging.getLogger(__name__)


class Connection:
    """A language server that is fed one message after the other.

    Every task that a message started runs to its first wait before the next message is read. Handlers therefore see
    documents exactly as they were when the client sent the request.

    Args:
        server: The session.
        outlet: Where its messages go.
    """

    def __init__(self, server: HearthLanguageServer, outlet: Outlet) -> None:
        self._server = server
        server.protocol.send_through(outlet)

    @property
    def ended(self) -> bool:
        """Whether the client said ``exit``."""
        return self._server.protocol.exit_requested.is_set()

    @property
    def orderly(self) -> bool:
        """Whether the client asked for ``shutdown`` before."""
        return self._server.protocol.shutdown_requested

    async def receive(self, body: bytes | str) -> None:
        """Handle one message; one that nobody can understand is logged and costs only itself."""
        try:
            data = json.loads(body)
        except (ValueError, RecursionError) as error:
            log.error("a message that is not JSON was ignored: %s", error)
            return
        try:
            self._server.protocol.read_message(data)
        except Exception:
            # One message that nobody expected must not end the session.
            log.exception("a message could not be handled")
        await asyncio.sleep(0)

    async def settled(self) -> None:
        """Wait until everything that was asked so far is answered."""
        while running := self._server.protocol.running:
            await asyncio.wait(running)

    def why(self, identifier: str) -> dict[str, Any] | None:
        """Say what a suggestion of this session was made of; ``None`` when it is forgotten."""
        return self._server.why(identifier)

    async def close(self) -> None:
        """End the session's work. Idempotent."""
        await self._server.stop()
