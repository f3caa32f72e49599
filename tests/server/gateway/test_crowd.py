"""One address among many: it takes its own room and nobody else's, however it holds its connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest

from server.accounts import Accounts, TokenScope
from server.gateway.crowd import Crowd
from server.gateway.peers import Peers
from tests.server.gateway.team import TeamServer, team_editor, team_server, until_logged

EACH = 40
LIMITS = f"[server.limits]\nconnections = 200\naddress_connections = {EACH}\nheader_seconds = 600.0\n"
FLOODED_FROM, OTHER = "127.0.0.3", "127.0.0.2"
HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


async def from_address(team: TeamServer, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    where = urlsplit(team.url)
    return await asyncio.open_connection(where.hostname, where.port, local_addr=(address, 0))


async def until_hung_up(reader: asyncio.StreamReader) -> bytes:
    async with asyncio.timeout(60):
        with suppress(ConnectionError):
            return await reader.read()
        return b""


@asynccontextmanager
async def flood(team: TeamServer, count: int) -> AsyncIterator[list[asyncio.Task[bytes]]]:
    """Hold connections whose requests come byte by byte and never to their end; yield what became of each."""
    streams = [await from_address(team, FLOODED_FROM) for _ in range(count)]

    async def trickle(writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(HEAD + b"X-Slow: ")
            while not writer.is_closing():
                await writer.drain()
                await asyncio.sleep(0.2)
                writer.write(b"a")

    trickling = [asyncio.create_task(trickle(writer)) for _, writer in streams]
    ends = [asyncio.create_task(until_hung_up(reader)) for reader, _ in streams]
    try:
        yield ends
    finally:
        for task in (*trickling, *ends):
            task.cancel()
        await asyncio.gather(*trickling, *ends, return_exceptions=True)
        for _, writer in streams:
            writer.close()


async def left(ends: list[asyncio.Task[bytes]], room: int) -> None:
    """Wait until as many connections are left as there is room for."""
    async with asyncio.timeout(60):
        while sum(not end.done() for end in ends) > room:
            await asyncio.wait({end for end in ends if not end.done()}, return_when=asyncio.FIRST_COMPLETED)


async def status(team: TeamServer, address: str) -> int:
    connector = aiohttp.TCPConnector(local_addr=(address, 0), force_close=True)
    async with aiohttp.ClientSession(connector=connector) as client, client.get(f"{team.url}/healthz") as answer:
        return answer.status


async def until_served(team: TeamServer, address: str) -> None:
    async with asyncio.timeout(60):
        while True:
            with suppress(aiohttp.ClientError):
                if await status(team, address) == 200:
                    return
            await asyncio.sleep(0.05)


async def test_a_flood_from_one_address_takes_its_own_room_and_no_other(data: Path) -> None:
    async with team_server(data, LIMITS) as team, team_editor(team) as editor, flood(team, 300) as ends:
        await left(ends, EACH)
        for _ in range(20):
            assert await status(team, OTHER) == 200
        assert (await editor.request("hearth/status", {}))["index"]["state"] == "ready"
        with pytest.raises(aiohttp.ClientError):
            await status(team, FLOODED_FROM)
        async with team_editor(team) as later:
            assert (await later.request("hearth/status", {}))["index"]["state"] == "ready"
        # Those that found room are held on to by their client alone.
        assert sum(not end.done() for end in ends) == EACH
        async with aiohttp.ClientSession() as client, client.get(f"{team.url}/metrics") as answer:
            assert 'hearth_refused_total{reason="address_connections"}' in await answer.text()
        assert team.log.read_text().count(f"{FLOODED_FROM} has {EACH} connections") == 1


async def test_who_leaves_makes_room_for_the_next_of_the_address(data: Path) -> None:
    async with team_server(data, LIMITS) as team:
        for _ in range(2):
            async with flood(team, 2 * EACH) as ends:
                await left(ends, EACH)
            await until_served(team, FLOODED_FROM)


async def test_editors_that_are_let_in_do_not_count_for_the_address_of_their_office(data: Path) -> None:
    with Accounts(data) as accounts:
        accounts.add_user("ana")
        _, secret = accounts.add_token("ana", {TokenScope.SEARCH})
    headers = {"Authorization": f"Bearer {secret}"}
    async with team_server(data, f"{LIMITS}sessions = {2 * EACH}\n") as team, AsyncExitStack() as stack:
        connector = aiohttp.TCPConnector(local_addr=(FLOODED_FROM, 0), limit=0)
        client = await stack.enter_async_context(aiohttp.ClientSession(connector=connector, headers=headers))
        for _ in range(EACH + 10):
            await stack.enter_async_context(client.ws_connect(f"{team.url}/lsp"))
        assert await status(team, FLOODED_FROM) == 200
        async with flood(team, 2 * EACH) as ends:
            await left(ends, EACH)
            await until_logged(team, "connections without a sign-in")


async def test_connections_of_a_proxy_are_those_of_many(data: Path) -> None:
    settings = f'[server]\ntrusted_proxies = ["{FLOODED_FROM}"]\n{LIMITS}'
    async with team_server(data, settings) as team, flood(team, 3 * EACH) as ends:
        assert await status(team, FLOODED_FROM) == 200
        assert not any(end.done() for end in ends)


@pytest.mark.parametrize(
    ("trusted", "behind_proxy", "address", "bounded"),
    [
        ([], False, "203.0.113.9", True),
        ([], True, "203.0.113.9", False),
        (["10.0.0.0/8"], True, "203.0.113.9", True),
        (["10.0.0.0/8"], True, "10.0.0.7", False),
        (["10.0.0.0/8"], False, "::ffff:203.0.113.9", True),
    ],
)
def test_only_a_proxy_has_no_bound(trusted: list[str], behind_proxy: bool, address: str, bounded: bool) -> None:
    crowd = Crowd(2, Peers(trusted, behind_proxy=behind_proxy))
    assert [crowd.enter(address) is not None for _ in range(3)] == [True, True, not bounded]


def test_a_network_of_ipv6_has_no_more_room_than_an_address_and_a_place_is_left_once() -> None:
    crowd = Crowd(2, Peers([], behind_proxy=False))
    places = [crowd.enter(f"2001:db8:1:{number:x}::1") for number in range(3)]
    assert places[2] is None
    assert crowd.enter("2001:db8:2::1") is not None
    assert places[0] is not None
    places[0].leave()
    places[0].leave()
    assert [crowd.enter("2001:db8:1::9") is not None for _ in range(2)] == [True, False]
