"""Clients that hold connections: whatever they leave unfinished ends in time, and counts until then."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme

from server.accounts import Accounts, TokenScope
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
    async with asyncio.timeout(30):
        with suppress(ConnectionError):
            return await reader.read()
        return b""


async def test_handshakes_that_do_not_end_count_and_pass(data: Path, tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate, key = tmp_path / "server.pem", tmp_path / "server.key"
    issue(authority, certificate, key)
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        _, secret = accounts.add_token("ana", {TokenScope.SEARCH, TokenScope.METRICS})
    settings = (
        f'[server.tls]\ncertificate = "{certificate}"\nkey = "{key}"\n'
        f"[server.limits]\nconnections = {ROOM}\nhandshake_seconds = 2.0\n"
    )
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with team_server(data, settings) as team:
        connector = aiohttp.TCPConnector(ssl=trusting, force_close=True)
        async with aiohttp.ClientSession(connector=connector) as client:

            async def status() -> int:
                headers = {"Authorization": f"Bearer {secret}"}
                async with client.get(f"{team.url}/api/v1/status", headers=headers) as answer:
                    return answer.status

            assert await status() == 200
            async with connections(team, 3 * ROOM) as streams:
                # Those beyond the limit are hung up on at once, those within it when their time is over.
                for _, writer in streams[ROOM:]:
                    writer.write(b"\x16\x03\x01")
                await asyncio.gather(*(hung_up(reader) for reader, _ in streams[ROOM:]))
                with pytest.raises(aiohttp.ClientError):
                    await status()
                await asyncio.gather(*(hung_up(reader) for reader, _ in streams))
            assert await status() == 200
            # One that gives up by itself leaves its place at once.
            for _ in range(3 * ROOM):
                async with connections(team, 1) as [(_, writer)]:
                    writer.write(b"GET / HTTP/1.1\r\n\r\n")
                    writer.write_eof()
            assert await status() == 200


@pytest.mark.parametrize("extra", ["", "Upgrade: websocket\r\n", "Expect: 100-continue\r\n"])
async def test_a_body_that_does_not_come_to_its_end_is_not_waited_for(indexed: Path, extra: str) -> None:
    settings = "[server.limits]\nrequest_seconds = 0.5\n"
    async with team_server(indexed, settings) as team, connections(team, 1) as [(reader, writer)]:
        head = "POST /api/v1/webhooks/github HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        writer.write(f"{head}{extra}\r\n".encode())

        async def trickle() -> None:
            with suppress(ConnectionError):
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.05)

        trickling = asyncio.create_task(trickle())
        answer = await hung_up(reader)
        trickling.cancel()
        assert b"503 Service Unavailable" in answer
        assert b'"timeout"' in answer
