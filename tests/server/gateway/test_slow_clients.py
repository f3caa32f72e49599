"""Clients that hold connections: whatever they leave unfinished ends in time, and counts until then."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme

from tests.patience import WAIT_SECONDS
from tests.server.gateway.team import TeamServer, issue, team_server

ROOM = 10


@asynccontextmanager
async def connections(
    team: TeamServer, count: int
) -> AsyncIterator[list[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    address = urlsplit(team.url)
    streams = [await asyncio.open_connection(address.hostname, address.port) for _ in range(count)]
    try:
        yield streams
    finally:
        for _, writer in streams:
            writer.close()


async def hung_up(reader: asyncio.StreamReader) -> bytes:
    """Return what came until the server closed the connection."""
    async with asyncio.timeout(WAIT_SECONDS):
        with suppress(ConnectionError):
            return await reader.read()
        return b""


async def beyond(room: int, ends: list[asyncio.Task[bytes]]) -> None:
    """Wait until no more connections are left than there is room for."""
    while sum(not end.done() for end in ends) > room:
        await asyncio.wait({end for end in ends if not end.done()}, return_when=asyncio.FIRST_COMPLETED)


class Encrypted:
    """A server with TLS, and a client that trusts it."""

    def __init__(self, data: Path) -> None:
        self.authority = trustme.CA()
        self.certificate, self.key = data.parent / "server.pem", data.parent / "server.key"
        issue(self.authority, self.certificate, self.key)
        self.data = data

    @asynccontextmanager
    async def serve(self, handshake_seconds: float) -> AsyncIterator[tuple[TeamServer, Callable[[], Awaitable[int]]]]:
        settings = (
            f'[server.tls]\ncertificate = "{self.certificate}"\nkey = "{self.key}"\n'
            f"[server.limits]\nconnections = {ROOM}\nhandshake_seconds = {handshake_seconds}\n"
        )
        trusting = ssl.create_default_context()
        self.authority.configure_trust(trusting)
        connector = aiohttp.TCPConnector(ssl=trusting, force_close=True)
        async with team_server(self.data, settings) as team, aiohttp.ClientSession(connector=connector) as client:

            async def status() -> int:
                async with client.get(f"{team.url}/healthz") as answer:
                    return answer.status

            await answering(status)
            yield team, status


async def answering(status: Callable[[], Awaitable[int]]) -> None:
    """Wait until the server has room, and answers within the time for a handshake."""
    async with asyncio.timeout(WAIT_SECONDS):
        while True:
            with suppress(aiohttp.ClientError):
                if await status() == 200:
                    return
            await asyncio.sleep(0.05)


@pytest.fixture
def encrypted(data: Path) -> Encrypted:
    return Encrypted(data)


async def test_handshakes_that_do_not_end_count(encrypted: Encrypted) -> None:
    async with encrypted.serve(600.0) as (team, status), connections(team, 3 * ROOM) as streams:
        # Those beyond the limit are hung up on at once, whichever they are.
        ends = [asyncio.create_task(hung_up(reader)) for reader, _ in streams]
        await beyond(ROOM, ends)
        with pytest.raises(aiohttp.ClientError):
            await status()
        assert sum(not end.done() for end in ends) == ROOM


async def test_handshakes_that_do_not_end_pass(encrypted: Encrypted) -> None:
    async with encrypted.serve(0.5) as (team, status), connections(team, ROOM) as streams:
        await asyncio.gather(*(hung_up(reader) for reader, _ in streams))
        await answering(status)


async def test_who_gives_up_a_handshake_leaves_room_for_others(encrypted: Encrypted) -> None:
    async with encrypted.serve(600.0) as (team, status):
        for beginning in (b"", b"\x16\x03\x01", b"GET / HTTP/1.1\r\n\r\n"):
            async with connections(team, ROOM) as streams:
                for _, writer in streams:
                    writer.write(beginning)
            await answering(status)


async def test_no_more_connections_are_taken_at_once_than_there_is_room_for(data: Path) -> None:
    async with team_server(data, f"[server.limits]\nconnections = {ROOM}\n") as team:
        async with connections(team, 3 * ROOM) as streams:
            ends = [asyncio.create_task(hung_up(reader)) for reader, _ in streams]
            await beyond(ROOM, ends)
            for (_, writer), end in zip(streams, ends, strict=True):
                if not end.done():
                    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            answers = await asyncio.gather(*ends)
        assert sum(b"200 OK" in answer for answer in answers) == ROOM


async def test_a_body_that_does_not_come_to_its_end_is_not_waited_for(data: Path) -> None:
    headers = ["", "Upgrade: websocket\r\n", "Expect: 100-continue\r\n"]
    settings = "[server.limits]\nrequest_seconds = 0.5\n"
    async with team_server(data, settings) as team, connections(team, len(headers)) as streams:

        async def trickle(writer: asyncio.StreamWriter, header: str) -> None:
            head = "POST /api/v1/webhooks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
            writer.write(f"{head}{header}\r\n".encode())
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        trickling = [
            asyncio.create_task(trickle(writer, header)) for (_, writer), header in zip(streams, headers, strict=True)
        ]
        for answer in await asyncio.gather(*(hung_up(reader) for reader, _ in streams)):
            assert b"503 Service Unavailable" in answer
            assert b'"timeout"' in answer
        for task in trickling:
            task.cancel()
