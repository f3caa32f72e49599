"""Takes connections while there is room. One whose TLS handshake goes on is a connection like any other."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import cast

from aiohttp import web

from server.config import LimitsConfig
from server.gateway import metrics
from server.gateway.connection import Connection
from server.gateway.crowd import Crowd, Place

_GOODBYE_SECONDS = 5.0


class Admission:
    """Makes the protocol of each connection.

    Args:
        handlers: Answers requests.
        limits: How many connections at once, and how long a handshake may take.
        context: For TLS; None lets HTTP begin at once.
        crowd: Counts the connections of each address.
    """

    def __init__(
        self, handlers: web.Server, limits: LimitsConfig, context: ssl.SSLContext | None, crowd: Crowd
    ) -> None:
        self.context = context
        self.handshake_seconds = limits.handshake_seconds
        self.crowd = crowd
        self._idle_seconds = limits.header_seconds
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

    def arrived(self, arrival: _Arrival, place: Place) -> asyncio.Protocol:
        """Return what speaks HTTP over a connection that is ready for it."""
        self._arriving.discard(arrival)
        return Connection(self._handlers, place, self._idle_seconds)

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
        place = self._admission.crowd.enter((stream.get_extra_info("peername") or ("",))[0])
        if place is None:
            self._admission.lost(self)
            stream.close()
        elif self._admission.context is None:
            self._hand_over(stream, place)
        else:
            # What comes before the handshake has begun would be taken for what comes after it.
            stream.pause_reading()
            encrypting = self._encrypt(stream, self._admission.context, place)
            self._handshake = asyncio.create_task(encrypting, name="TLS handshake")

    def data_received(self, data: bytes) -> None:
        self._early += data

    def give_up(self) -> None:
        """End the handshake, and with it the connection."""
        if self._handshake is not None:
            self._handshake.cancel()

    async def _encrypt(self, transport: asyncio.Transport, context: ssl.SSLContext, place: Place) -> None:
        encrypted = None
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
            pass
        finally:
            self._admission.lost(self)
            if encrypted is None:
                place.leave()
        if encrypted is not None:
            self._hand_over(encrypted, place)

    def _hand_over(self, transport: asyncio.Transport, place: Place) -> None:
        protocol = self._admission.arrived(self, place)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if self._early:
            protocol.data_received(self._early)


class _NoRoom(asyncio.Protocol):
    """Hangs up at once."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        with suppress(OSError):
            transport.close()
