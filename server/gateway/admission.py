"""Takes connections while there is room. One whose TLS handshake goes on is a connection like any other."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from aiohttp import web

from server.config import LimitsConfig
from server.gateway import metrics

_GOODBYE_SECONDS = 5.0


class Admission:
    """Makes the protocol of each connection.

    Args:
        handlers: Makes those that speak HTTP.
        limits: How many connections at once, and how long a handshake may take.
        context: For TLS; None lets HTTP begin at once.
    """

    def __init__(self, handlers: web.Server, limits: LimitsConfig, context: ssl.SSLContext | None) -> None:
        self.context = context
        self.handshake_seconds = limits.handshake_seconds
        self._handlers = handlers
        self._most = limits.connections
        # The system hands over many connections at once, and HTTP is told of each only later.
        self._arriving: set[_Arrival] = set()

    def __call__(self) -> asyncio.Protocol:
        """Return the protocol of a connection that was just made."""
        if len(self._handlers.connections) + len(self._arriving) >= self._most:
            metrics.REFUSED.labels("connections").inc()
            return _NoRoom()
        arrival = _Arrival(self)
        self._arriving.add(arrival)
        return arrival

    def close(self) -> None:
        """Give up the handshakes that go on."""
        for arrival in self._arriving:
            arrival.give_up()

    def arrived(self, arrival: _Arrival) -> asyncio.Protocol:
        """Return what speaks HTTP over a connection that is ready for it."""
        self._arriving.discard(arrival)
        return self._handlers()

    def lost(self, arrival: _Arrival) -> None:
        """Forget a connection that never became ready."""
        self._arriving.discard(arrival)


class _Arrival(asyncio.Protocol):
    """A connection until HTTP begins. What comes with the end of its handshake is kept."""

    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._early = b""
        self._handshake: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast(asyncio.Transport, transport)
        if self._admission.context is None:
            self._hand_over(stream)
            return
        # What comes before the handshake has begun would be taken for what comes after it.
        stream.pause_reading()
        self._handshake = asyncio.create_task(self._encrypt(stream, self._admission.context), name="TLS handshake")

    def data_received(self, data: bytes) -> None:
        self._early += data

    def give_up(self) -> None:
        """End the handshake, and with it the connection."""
        if self._handshake is not None:
            self._handshake.cancel()

    async def _encrypt(self, transport: asyncio.Transport, context: ssl.SSLContext) -> None:
        try:
            encrypted = await asyncio.get_running_loop().start_tls(
                transport,
                self,
                context,
                server_side=True,
                ssl_handshake_timeout=self._admission.handshake_seconds,
                ssl_shutdown_timeout=_GOODBYE_SECONDS,
            )
        except OSError:
            encrypted = None
        finally:
            self._admission.lost(self)
        if encrypted is not None:
            self._hand_over(encrypted)

    def _hand_over(self, transport: asyncio.Transport) -> None:
        protocol = self._admission.arrived(self)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._early:
            protocol.data_received(self._early)


class _NoRoom(asyncio.Protocol):
    """Hangs up at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        with suppress(OSError):
            transport.close()
