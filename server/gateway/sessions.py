"""``/lsp``: one language server for each WebSocket. What it is made of is passed in; here is only how it is carried."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from aiohttp import WSCloseCode, WSMsgType, web

from server.config import LimitsConfig
from server.correlation import SESSION, new_request_id
from server.errors import AccountsError
from server.gateway import metrics
from server.gateway.access import Visitor
from server.gateway.audit import Audit
from server.gateway.connection import Connection
from server.gateway.outbox import Outbox
from server.gateway.responses import refuse
from server.principal import Principal

log = logging.getLogger(__name__)

HEARTBEAT_SECONDS = 20.0
WATCH_SECONDS = 0.5
_WITHDRAWN = "the access was withdrawn"


class Session(Protocol):
    """A language server that is fed one message after the other."""

    @property
    def ended(self) -> bool:
        """Whether the client said that it leaves."""

    async def receive(self, body: bytes | str) -> None:
        """Handle one message. Never raises for what a client sends."""

    async def settled(self) -> None:
        """Wait until everything that was asked so far is answered."""

    def why(self, identifier: str) -> dict[str, Any] | None:
        """Say what a suggestion of this session was made of; ``None`` when it knows of none."""

    async def close(self) -> None:
        """End the session's work. Idempotent."""


OpenSession = Callable[[Principal, Outbox], Session]
"""Make a language server for one connection, whose messages go to the outbox."""


@dataclass(eq=False, slots=True)
class _Guest:
    """One connection. ``readable`` is what the user might read when it was last looked at."""

    visitor: Visitor
    session: Session
    outbox: Outbox
    readable: frozenset[str] | None

    def lost_something(self, published: frozenset[str]) -> bool:
        """Whether the user may no longer read something that is still there."""
        before, self.readable = self.readable, self.visitor.readable
        return before is not None and self.readable is not None and bool((before - self.readable) & published)


class Sessions:
    """The connections of all editors.

    Args:
        open_session: Makes what answers.
        limits: How many and how much.
        audit: Where is written down who came and went.
        published: Returns the names of the published repositories.
    """

    def __init__(
        self, open_session: OpenSession, limits: LimitsConfig, audit: Audit, published: Callable[[], frozenset[str]]
    ) -> None:
        self._open = open_session
        self._limits = limits
        self._audit = audit
        self._published = published
        self._guests: set[_Guest] = set()
        self.draining = False

    def __len__(self) -> int:
        """Return how many editors are connected."""
        return len(self._guests)

    async def serve(self, request: web.Request, visitor: Visitor, address: str) -> web.WebSocketResponse:
        """Serve one editor until it leaves."""
        self._refuse_too_many(visitor)
        socket = web.WebSocketResponse(
            heartbeat=HEARTBEAT_SECONDS,
            max_msg_size=self._limits.message_bytes,
            compress=False,
            decode_text=False,
        )
        await socket.prepare(request)
        transport = request.transport
        if transport is None:
            return socket
        if isinstance(request.protocol, Connection):
            # Offices share an address: from here on, the limit for each user holds.
            request.protocol.let_in()
        # Whatever is logged on behalf of this editor says so: tasks inherit it from this one.
        SESSION.set((visitor.user, new_request_id()))
        outbox = Outbox(socket, transport, self._limits.unread_bytes)
        guest = _Guest(visitor, self._open(visitor, outbox), outbox, visitor.readable)
        self._guests.add(guest)
        metrics.SESSIONS.set(len(self._guests))
        who = {"user": visitor.user, "token": visitor.token_id, "address": address}
        self._audit.note("session-opened", **who)
        try:
            await self._read(socket, guest)
        finally:
            self._guests.discard(guest)
            metrics.SESSIONS.set(len(self._guests))
            await guest.session.close()
            await outbox.finish()
            reason = outbox.closed_for or ("too_large" if socket.close_code == WSCloseCode.MESSAGE_TOO_BIG else "left")
            metrics.SESSIONS_ENDED.labels(reason).inc()
            self._audit.note(
                "session-closed", user=visitor.user, token=visitor.token_id, address=address, reason=reason
            )
        return socket

    def why(self, user: str, identifier: str) -> dict[str, Any] | None:
        """Say what a suggestion in an open session of a user was made of."""
        for guest in self._guests:
            if guest.visitor.user == user and (found := guest.session.why(identifier)) is not None:
                return found
        return None

    async def watch(self) -> None:
        """Close the connections of users whose access is withdrawn, also in part: what was made before is dropped."""
        while True:
            await asyncio.sleep(WATCH_SECONDS)
            try:
                await self._close_withdrawn(self._published())
            except AccountsError as error:
                # Whatever they ask for meanwhile is refused.
                log.error("whose access was withdrawn is not known: %s", error)

    async def _close_withdrawn(self, published: frozenset[str]) -> None:
        for guest in list(self._guests):
            if not guest.visitor.seems_welcome:
                guest.outbox.close_soon("withdrawn", WSCloseCode.POLICY_VIOLATION, _WITHDRAWN)
            elif guest.lost_something(published):
                guest.outbox.close_soon("withdrawn", WSCloseCode.SERVICE_RESTART, "the permissions changed")
            # Looking up each of hundreds at once would hold the others up.
            await asyncio.sleep(0)

    async def drain(self, seconds: float) -> None:
        """Take no more work, let what runs end within a time, and tell every editor to come back later."""
        self.draining = True
        guests = list(self._guests)
        waiting = [asyncio.create_task(guest.session.settled()) for guest in guests]
        if waiting:
            await asyncio.wait(waiting, timeout=seconds)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        for guest in guests:
            guest.outbox.close_soon("restart", WSCloseCode.SERVICE_RESTART, "service restart")
        await asyncio.gather(*(guest.outbox.closed() for guest in guests))

    async def _read(self, socket: web.WebSocketResponse, guest: _Guest) -> None:
        async for message in socket:
            if guest.outbox.closing:
                return
            if self.draining:
                # What would begin now would be lost a moment later; what runs may still end.
                continue
            if not guest.visitor.welcome:
                guest.outbox.close_soon("withdrawn", WSCloseCode.POLICY_VIOLATION, _WITHDRAWN)
                return
            if message.type in {WSMsgType.TEXT, WSMsgType.BINARY}:
                await guest.session.receive(message.data)
            if guest.session.ended:
                return

    def _refuse_too_many(self, visitor: Visitor) -> None:
        if self.draining:
            refuse(503, "stopping", "The server is stopping.", "Try again in a moment.", {"Retry-After": "1"})
        theirs = sum(guest.visitor.user == visitor.user for guest in self._guests)
        if visitor.token_id and theirs >= self._limits.sessions:
            metrics.REFUSED.labels("sessions").inc()
            message = f"{visitor.user} has {theirs} editors connected, which is the most that one user may have."
            refuse(429, "sessions", message, "Close one of them.", {"Retry-After": "60"})
