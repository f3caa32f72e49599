"""What messages are sent to: the real server over a WebSocket and over standard streams, and what must hold then."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import aiohttp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.cli.language_server import services_factory
from server.config import DataConfig, HearthConfig
from server.lsp.server import create_server
from server.lsp.stdio import serve
from tests.e2e.editor import HEARTH
from tests.fuzz.messages import FORBIDDEN
from tests.server.gateway.team import team_server

_T = TypeVar("_T")

ANSWER_SECONDS = 60.0
_LAST = 4_711_000_001
_UNFORESEEN = re.compile(r"a message could not be handled|a request failed$|was never retrieved", re.MULTILINE)

Send = Callable[[Sequence[bytes]], Awaitable[None]]
"""Sends messages to a session of its own or one that goes on, and fails when it does not live on."""


@asynccontextmanager
async def web_socket(data: Path) -> AsyncIterator[Send]:
    """The team server: every call is a session of its own."""
    async with team_server(data) as team, aiohttp.ClientSession() as client:

        async def send(bodies: Sequence[bytes]) -> None:
            async with client.ws_connect(f"{team.url}/lsp", compress=0) as socket:
                for number, body in enumerate(bodies):
                    await (socket.send_bytes(body) if number % 2 else socket.send_str(body.decode("utf-8", "replace")))
                await socket.send_str(_status())
                async with asyncio.timeout(ANSWER_SECONDS):
                    while not _is_last((await socket.receive()).data):
                        pass

        yield send
        assert team.process.returncode is None
        check_log(team.log.read_text())


@asynccontextmanager
async def standard_streams(directory: Path) -> AsyncIterator[Send]:
    """One language server for one editor, which all calls share."""
    log = directory / "stderr"
    with log.open("wb") as errors:
        process = await asyncio.create_subprocess_exec(
            *HEARTH, "lsp", "--data", str(directory / "data"),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=errors,
        )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    writer, reader = process.stdin, process.stdout

    async def send(bodies: Sequence[bytes]) -> None:
        for body in (*bodies, _status().encode()):
            writer.write(b"Content-Length: %d\r\n\r\n" % len(body) + body)
        await writer.drain()
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                header = await reader.readuntil(b"\r\n\r\n")
                if _is_last(await reader.readexactly(int(header.split(b"Length: ")[1].split(b"\r\n")[0]))):
                    return

    try:
        yield send
        assert process.returncode is None
        check_log(log.read_text() + (directory / "data/logs/lsp.log").read_text())
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def read_stream(data: bytes, directory: Path) -> None:
    """Let a session of its own read bytes to their end; it ends by itself, with a status that says how."""
    their_input, our_output = os.pipe()
    our_input, their_output = os.pipe()
    server = create_server(services_factory(HearthConfig(data=DataConfig(directory)), auto_index=False))
    serving = asyncio.create_task(serve(server, os.fdopen(their_input, "rb", 0), os.fdopen(their_output, "wb", 0)))
    with os.fdopen(our_output, "wb", 0) as stream:
        stream.write(data)
    with os.fdopen(our_input, "rb") as answers:
        async with asyncio.timeout(ANSWER_SECONDS):
            status = await serving
        written = answers.read()
    assert status in {0, 1}
    for part in written.split(b"Content-Length: ")[1:]:
        _is_last(part.partition(b"\r\n\r\n")[2])


async def examine(bears: Callable[[_T], Awaitable[None]], examples: st.SearchStrategy[_T], count: int) -> None:
    """Try examples off the event loop, which serves meanwhile; the smallest that fails is the one that is told."""
    loop = asyncio.get_running_loop()

    @settings(max_examples=count, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(examples)
    def one(example: _T) -> None:
        asyncio.run_coroutine_threadsafe(_awaited(bears(example)), loop).result()

    await asyncio.to_thread(one)


async def _awaited(work: Awaitable[None]) -> None:
    await work


def check_log(log: str) -> None:
    """Fail when something happened in the server that nobody thought of."""
    found = _UNFORESEEN.search(log)
    assert found is None, log[found.start() : found.start() + 6000]


def _status() -> str:
    return json.dumps({"jsonrpc": "2.0", "id": _LAST, "method": "hearth/status", "params": {}})


def _is_last(data: Any) -> bool:
    """Hold one message of the server against what it may be; returns whether it is the answer to the last request."""
    message = json.loads(data)
    assert message["jsonrpc"] == "2.0"
    if "error" in message:
        assert isinstance(message["error"]["code"], int)
        assert not FORBIDDEN.search(str(message["error"]["message"])), message
    return bool(message.get("id") == _LAST and "method" not in message)
